#!/bin/bash
# Run by build.sh, after prepare.sh.
# Afterwards: runit is there, and every service of services/ that is not disabled.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=image/buildconfig
source ./buildconfig

# The supervisor only: my_init starts runsvdir itself.
# shellcheck disable=SC2086  # a list of words
apt-get install $minimal_apt_get_args runit
# A folder of its own: on newer bases it is a link to where packages put services that they start by themselves.
rm -rf /etc/service
mkdir /etc/service
# Where it was, for those who know it by that name.
if [[ -d /etc/runit/runsvdir/default ]]; then
  rm -rf /etc/runit/runsvdir/default
  ln -s /etc/service /etc/runit/runsvdir/default
fi

# Newer versions of the package give up an upgrade where it is no link.
if grep -qs 'readlink /etc/service' /var/lib/dpkg/info/runit.preinst; then apt-mark hold runit; fi

# It finds services where my_init has to run them, and calls runit's sv, which must bear that name.
mkdir -p /usr/lib/baseimage/runit /usr/lib/baseimage/no_services
dpkg-divert --quiet --local --rename --divert /usr/lib/baseimage/runit/sv --add /usr/bin/sv
ln -s /usr/lib/baseimage/sv /usr/bin/sv

[[ $DISABLE_SYSLOG == 1 ]] || ./services/syslog-ng/install.sh
if [[ $DISABLE_CRON != 1 ]]; then
  ./services/cron/install.sh
  ./services/logrotate/install.sh
fi
[[ $DISABLE_SSH == 1 ]] || ./services/sshd/install.sh
