#!/bin/sh
# Run by my_init at boot, and in Dockerfiles: 00_regen_ssh_host_keys.sh [-f]
# Afterwards: there is a host key of each type; with -f they are all new.
set -eu

if [ "${MY_INIT_STAGE-}" != startup ]; then
  exec /usr/lib/baseimage/make_ssh_host_keys "$@"
fi

# If sshd is off, the boot does not wait for keys: the service makes them if it is started later. If they cannot be made,
# the boot goes on without sshd.
[ -e /etc/service/sshd/down ] || /usr/lib/baseimage/make_ssh_host_keys "$@" || exit 0
