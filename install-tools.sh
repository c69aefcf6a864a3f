#!/bin/sh
# Run on docker's host. Afterwards: docker-ssh and docker-bash are in PREFIX/bin, and do not need this folder any more.
set -eu

usage="Usage: sudo ./install-tools.sh [PREFIX]

Installs docker-ssh and docker-bash in PREFIX/bin (/usr/local/bin).

  -h, --help    show this text"

case ${1-} in
  -h | --help) echo "$usage" && exit 0 ;;
  -*) echo "install-tools.sh: unknown option: $1; --help lists the options" >&2 && exit 2 ;;
esac
[ $# -le 1 ] || { echo "install-tools.sh: unexpected argument: $2; --help shows how it is used" >&2 && exit 2; }

bin=${1:-/usr/local}/bin
{ mkdir -p "$bin" && install "$(dirname "$0")"/host/docker-* "$bin"; } 2>/dev/null ||
  { echo "install-tools.sh: cannot write to ${1:-/usr/local}; use sudo, or give a PREFIX that you may write to" >&2 && exit 1; }
printf 'Installed %s\n' "$bin/docker-ssh" "$bin/docker-bash"
