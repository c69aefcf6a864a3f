#!/bin/bash
# Run by build.sh, after system/setup.sh.
# Afterwards: runit runs what is in /etc/service and nothing else, and `sv` is ours.
set -euo pipefail

# A directory of its own. On newer bases it is a link to /etc/runit/runsvdir/default, where packages put services that
# they want to start; nothing runs those now.
rm -rf /etc/service
mkdir /etc/service

# An upgrade of newer versions of the package fails if it is not a link.
if grep -qs 'readlink /etc/service' /var/lib/dpkg/info/runit.preinst; then apt-mark hold runit; fi

# Our sv also finds services that my_init runs from a private directory. It calls runit's sv, whose file must have that name.
mkdir -p /usr/lib/baseimage/runit /usr/lib/baseimage/no_services
dpkg-divert --quiet --local --rename --divert /usr/lib/baseimage/runit/sv --add /usr/bin/sv
ln -s /usr/lib/baseimage/sv /usr/bin/sv
