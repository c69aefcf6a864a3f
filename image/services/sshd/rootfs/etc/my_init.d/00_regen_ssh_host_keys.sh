#!/bin/bash
# Run by my_init at boot, by the service sshd, and in Dockerfiles: 00_regen_ssh_host_keys.sh [-f]
# Afterwards: there is a host key of each type that /etc/ssh/sshd_config names; with -f they are all new.
set -euo pipefail

at_boot=0
[[ $(cat "/proc/$PPID/comm" 2>/dev/null) != my_init ]] || at_boot=1
# A boot need not wait for keys that nobody will ask for. The service comes here again if it is started later.
[[ $at_boot == 0 || ! -e /etc/service/sshd/down ]] || exit 0

types=()
for type in ed25519 ecdsa rsa; do
  [[ ${1-} != -f && -s /etc/ssh/ssh_host_${type}_key ]] || types+=("$type")
done
[[ ${#types[@]} -gt 0 ]] || exit 0

if [[ ! -w /etc/ssh ]]; then
  echo "*** Cannot make SSH host keys: /etc/ssh is not writable" >&2
  exit $((1 - at_boot)) # The boot goes on without sshd.
fi

echo "Making SSH host keys: ${types[*]}"
# Made elsewhere and moved, all at a time: half a key, of a container that was killed here, would stay for ever.
new=$(mktemp -d /etc/ssh/.new.XXXXXX)
trap 'rm -rf "$new"' EXIT
processes=()
for type in "${types[@]}"; do
  ssh-keygen -q -t "$type" -N '' -C "" -f "$new/ssh_host_${type}_key" </dev/null &
  processes+=($!)
done
for process in "${processes[@]}"; do wait "$process"; done
mv -f "$new"/*.pub "$new"/*_key /etc/ssh/
