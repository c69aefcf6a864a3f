#!/bin/bash
# Run by build.sh, after system_services.sh.
# Afterwards: the tools are there that one misses first in a container.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=image/buildconfig
source ./buildconfig

# shellcheck disable=SC2086  # a list of words
apt-get install $minimal_apt_get_args curl less procps psmisc vim-tiny
[[ -e /usr/bin/vim ]] || ln -s vim.tiny /usr/bin/vim
