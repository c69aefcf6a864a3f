#!/bin/bash
# Run once by the Dockerfile, as its only RUN.
# Afterwards: the system is complete but for my_init and setuser, and of /bd_build only what derived images use is left.
set -euo pipefail
cd /bd_build
# shellcheck source=image/buildconfig
source ./buildconfig

# A wrong value is told now, not in two minutes.
for switch in DISABLE_SYSLOG DISABLE_CRON DISABLE_SSH; do wanted $switch || true; done

./prepare.sh
./system_services.sh
./utilities.sh
./cleanup.sh

find . -mindepth 1 -maxdepth 1 ! -name buildconfig ! -name cleanup.sh -exec rm -rf {} +
