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
mkdir -p /etc/service

[[ $DISABLE_SYSLOG == 1 ]] || ./services/syslog-ng/install.sh
