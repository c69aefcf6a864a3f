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

if wanted DISABLE_SYSLOG; then ./services/syslog-ng/install.sh; fi
if wanted DISABLE_CRON; then
  ./services/cron/install.sh
  ./services/logrotate/install.sh
fi
if wanted DISABLE_SSH; then ./services/sshd/install.sh; fi

# Ours can be reached there, too, by who knows them from such a base.
other=/etc/runit/runsvdir/default
[[ ! -d $other ]] || find /etc/service -mindepth 1 -maxdepth 1 -exec ln -sfn -t $other {} +
