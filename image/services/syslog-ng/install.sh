#!/bin/bash
# Run by system_services.sh, unless DISABLE_SYSLOG is 1.
# Afterwards: syslog-ng is installed, and my_init starts it first and stops it last.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=image/buildconfig
source ../../buildconfig

# The core only: the other packages are for destinations that nobody uses here.
# shellcheck disable=SC2086  # a list of words
apt-get install $minimal_apt_get_args syslog-ng-core
copy_rootfs rootfs
mkdir -p /etc/syslog-ng/conf.d

# The file must name the version it is written for; newer ones print it, with the line that they want to see.
config=/etc/syslog-ng/syslog-ng.conf
version=$(syslog-ng --version 2>/dev/null | sed -n -E \
  -e 's/^syslog-ng ([0-9]+\.[0-9]+)\..*/\1/p' -e 's/^Config version: (.*)/\1/p' | tail -n 1)
sed -i "s/^@version: INSTALLED/@version: $version/" "$config"
# Version 4 has another word for it.
[[ $version != 4.* ]] || sed -i 's/stats_freq(0)/stats(freq(0))/' "$config"
