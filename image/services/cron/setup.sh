#!/bin/bash
# Run by build.sh, unless DISABLE_CRON is on.
# Afterwards: cron is a service of runit, and only jobs that make sense in a container are left.
set -euo pipefail

# Housekeeping of a machine: package lists, copies of dpkg's and of the user data base, disks.
rm -f /etc/cron.daily/{apt-compat,dpkg,passwd} /etc/cron.weekly/fstrim /etc/cron.d/e2scrub_all
