#!/bin/sh
# Run by build.sh, last, and in derived images as `RUN /bd_build/cleanup.sh`.
# Afterwards: nothing is left that a package's installation needs and a container does not.
# It deletes only what can be made again, so it is safe at the end of any Dockerfile.
set -eu

# Usage: find_in DIRECTORY TEST... As find, but a directory that is missing or mounted is no error.
find_in() {
  [ ! -d "$1" ] || find "$@" || true
}

apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/lib/dpkg/*-old
rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- # As they were before the last change.
rm -f /var/cache/ldconfig/aux-cache /etc/init.d/.depend.* # Others each time; ldconfig and insserv make them again.
find_in /tmp -mindepth 1 -delete
find_in /var/tmp -mindepth 1 -delete
find_in /var/log -type f \( -name '*.gz' -o -name '*.old' -o -name '*.[0-9]' \) -delete
find_in /var/log -type f -exec truncate --size 0 {} +
# Python makes these again where it may write, and works without them.
for python in /usr/lib/python3*; do
  find_in "$python" -depth -name __pycache__ -exec rm -rf {} +
done
# The machine's id must not be the same in all containers.
[ ! -f /etc/machine-id ] || : >/etc/machine-id
