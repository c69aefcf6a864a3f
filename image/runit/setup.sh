#!/bin/bash
# Run by build.sh, after system/setup.sh.
# Afterwards: runit runs what is in /etc/service and nothing else, and `sv` is ours.
set -euo pipefail

# A folder of its own. On newer bases it is a link to /etc/runit/runsvdir/default, where packages put services that they
# want to start; nobody looks there now.
rm -rf /etc/service
mkdir /etc/service

# Newer versions of the package give up an upgrade where it is no link.
if grep -qs 'readlink /etc/service' /var/lib/dpkg/info/runit.preinst; then apt-mark hold runit; fi

# It finds services where my_init has to run them, and calls runit's sv, which must bear that name.
mkdir -p /usr/lib/baseimage/runit /usr/lib/baseimage/no_services
dpkg-divert --quiet --local --rename --divert /usr/lib/baseimage/runit/sv --add /usr/bin/sv
ln -s /usr/lib/baseimage/sv /usr/bin/sv
