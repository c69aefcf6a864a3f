#!/bin/bash
# Run by system_services.sh, unless DISABLE_CRON is 1.
# Afterwards: cron is a service of runit, and only jobs that make sense in a container are left.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=image/buildconfig
source ../../buildconfig

# shellcheck disable=SC2086  # a list of words
apt-get install $minimal_apt_get_args cron
copy_rootfs rootfs

# Housekeeping of a machine: package lists, copies of dpkg's and of the user data base, disks.
rm -f /etc/cron.daily/{apt-compat,dpkg,passwd} /etc/cron.weekly/fstrim /etc/cron.d/e2scrub_all
