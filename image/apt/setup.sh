#!/bin/bash
# Run by build.sh, before anything is installed.
# Afterwards: apt and dpkg are fit for docker, and the system is up to date.
set -euo pipefail

# Upstart's client and the test for a chroot: packages ask them, and in a container every answer but "all is well,
# and leave the machine alone" makes an upgrade fail.
for program in /sbin/initctl /usr/bin/ischroot; do
  dpkg-divert --quiet --local --rename --add "$program"
  ln -sf /bin/true "$program"
done

# There is no systemd here, and with its PAM profile, which newer bases bring along, each session would say so in the log.
dpkg-divert --quiet --local --rename --divert /usr/lib/baseimage/systemd.pam-config --add /usr/share/pam-configs/systemd

# Sources as well, for `apt-get source` and `apt-get build-dep`: in lists of lines, and in the newer ones of paragraphs.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.sources; do
  [[ ! -f $file ]] || sed -i -E \
    -e '/^#? ?deb-src /d' -e 's/^deb (.*)/&\ndeb-src \1/' -e 's/^Types: deb$/Types: deb deb-src/' "$file"
done

apt-get update
apt-get dist-upgrade -y --no-install-recommends -o Dpkg::Options::=--force-confold
