#!/bin/bash
# Run by build.sh, before anything is installed.
# Afterwards: apt and dpkg are set up for docker, and the system is up to date.
set -euo pipefail

# Packages call Upstart's client and the test for a chroot. In a container both must succeed and do nothing, or an
# upgrade fails.
for program in /sbin/initctl /usr/bin/ischroot; do
  dpkg-divert --quiet --local --rename --add "$program"
  ln -sf /bin/true "$program"
done

# Newer bases bring systemd's PAM profile along. There is no systemd here, so each session would log an error.
mkdir -p /usr/lib/baseimage
dpkg-divert --quiet --local --rename --divert /usr/lib/baseimage/systemd.pam-config --add /usr/share/pam-configs/systemd

# Source packages, too, for `apt-get source` and `apt-get build-dep`: in the old format (lines) and the new one (paragraphs).
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.sources; do
  [[ ! -f $file ]] || sed -i -E \
    -e '/^#? ?deb-src /d' -e 's/^deb (.*)/&\ndeb-src \1/' -e 's/^Types: deb$/Types: deb deb-src/' "$file"
done

apt-get update
apt-get dist-upgrade -y --no-install-recommends -o Dpkg::Options::=--force-confold
