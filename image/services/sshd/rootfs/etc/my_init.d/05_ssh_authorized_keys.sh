#!/bin/bash
# Run by my_init at boot.
# Afterwards: root can log in with each key of SSH_AUTHORIZED_KEYS, which has one per line.
set -uo pipefail
[[ -n ${SSH_AUTHORIZED_KEYS-} ]] || exit 0

file=/root/.ssh/authorized_keys
if ! { install -d -m 700 /root/.ssh && touch "$file" && chmod 600 "$file"; }; then
  echo "*** Cannot install the keys of SSH_AUTHORIZED_KEYS in $file" >&2
  exit 0
fi

# What a Dockerfile appended may lack its newline.
[[ -z $(tail -c 1 "$file") ]] || echo >>"$file"
while IFS= read -r key; do
  [[ -z $key ]] || grep -qxF -- "$key" "$file" || printf '%s\n' "$key" >>"$file"
done <<<"$SSH_AUTHORIZED_KEYS"
exit 0
