#!/bin/bash
# Run by system_services.sh, unless DISABLE_CRON is 1: only cron would run it, and its package asks for cron's.
# Afterwards: cron runs logrotate every day, and for the system log's size every five minutes.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=image/buildconfig
source ../../buildconfig

# shellcheck disable=SC2086  # a list of words
apt-get install $minimal_apt_get_args logrotate
copy_rootfs rootfs
