#!/usr/bin/env bash
# Run on docker's host, from the source tree: sudo ./install-tools.sh [PREFIX]
# Afterwards: docker-ssh and docker-bash are in PREFIX/bin (/usr/local/bin), and what they need, Deno included, is in
# PREFIX/share/baseimage-docker. The source tree is no longer needed.
set -euo pipefail

prefix=${1:-/usr/local}
source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
share=$prefix/share/baseimage-docker
if ! mkdir -p "$share/tools" "$prefix/bin" || [[ ! -w $share || ! -w $prefix/bin ]]; then
  echo "install-tools.sh: cannot write to $prefix; use sudo, or name a folder of yours" >&2
  exit 1
fi

cp "$source/deno.json" "$source/deno.lock" "$share/"
cp "$source"/tools/{deno,container.ts,docker-ssh,docker-ssh.ts,docker-bash,docker-bash.ts} "$share/tools/"
if [[ -f $source/.cache/bin/deno-$(sed -n 's/^version=//p' "$source/tools/deno") ]]; then
  mkdir -p "$share/.cache/bin"
  cp -L "$source"/.cache/bin/deno-* "$share/.cache/bin/"
fi
# Gets Deno, if it was not there, and the libraries, for all users.
"$share/tools/deno" cache --quiet "$share"/tools/docker-{ssh,bash}.ts
chmod -R a+rX "$share"

for tool in docker-ssh docker-bash; do
  ln -sf "$share/tools/$tool" "$prefix/bin/$tool"
  echo "Installed $prefix/bin/$tool"
done
