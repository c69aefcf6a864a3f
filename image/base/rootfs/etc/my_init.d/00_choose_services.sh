#!/bin/bash
# Run by my_init at boot, before all other startup scripts.
# Afterwards: a service NAME of /etc/service with DISABLE_NAME=1 in the environment is down, and one with ENABLE_NAME=1
# is not. In a variable the name is in capitals, with _ for what a variable cannot hold; sshd is also SSH.
set -uo pipefail
shopt -s nullglob
# shellcheck source=image/base/rootfs/usr/lib/baseimage/is_on.sh
source /usr/lib/baseimage/is_on.sh

for folder in /etc/service/*/; do
  folder=${folder%/}
  service=${folder##*/}
  name=${service^^}
  name=${name//[^A-Z0-9]/_}
  for name in "$name" $([[ $service != sshd ]] || echo SSH); do
    if is_on "DISABLE_$name"; then
      echo "Switched off by DISABLE_$name" >"$folder/down" || echo "*** Cannot switch off $service" >&2
      break
    elif is_on "ENABLE_$name"; then
      rm -f "$folder/down" || echo "*** Cannot switch on $service" >&2
    fi
  done
done
exit 0
