#!/bin/bash
# Run by build.sh, first.
# Afterwards: apt is fit for docker and the system up to date; the locale, the environment's directory and the places
# for startup files, shutdown files and services exist.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=image/buildconfig
source ./buildconfig
# shellcheck source=/dev/null
source /etc/os-release

copy_rootfs base/rootfs

# On a base whose /sbin is a folder of its own, Dockerfiles may name either path.
[[ -e /sbin/install_clean ]] || ln -s /usr/sbin/install_clean /sbin/install_clean

# Upstart's client and the test for a chroot: packages ask them, and in a container every answer but "all is well,
# and leave the machine alone" makes an upgrade fail.
for program in /sbin/initctl /usr/bin/ischroot; do
  dpkg-divert --quiet --local --rename --add "$program"
  ln -sf /bin/true "$program"
done

# There is no systemd here, and with its PAM profile, which newer bases bring along, each session would say so in the log.
dpkg-divert --quiet --local --rename --divert /usr/lib/baseimage/systemd.pam-config --add /usr/share/pam-configs/systemd

# debootstrap leaves one line, of the release as it was on its first day: add what came later.
sources=/etc/apt/sources.list
if [[ -f $sources && $(grep -c '^deb ' "$sources") == 1 ]]; then
  read -r _ archive release components <"$sources"
  security=$archive
  [[ $ID == debian ]] && security=${archive%/}-security
  printf 'deb %s %s %s\n' \
    "$archive" "$release" "$components" \
    "$archive" "$release-updates" "$components" \
    "$security" "$release-security" "$components" >"$sources"
fi

# Both forms of a source list: one line per source, and the newer one of paragraphs.
[[ $ID != ubuntu ]] || for file in "$sources" /etc/apt/sources.list.d/ubuntu.sources; do
  [[ ! -f $file ]] || sed -i -E \
    -e 's/^(deb [^#]*\b[a-z]+(-updates|-security|-backports)?) main.*/\1 main restricted universe multiverse/' \
    -e 's/^Components:.*/Components: main restricted universe multiverse/' "$file"
done
# Sources as well, for `apt-get source` and `apt-get build-dep`.
for file in "$sources" /etc/apt/sources.list.d/*.sources; do
  [[ ! -f $file ]] || sed -i -E \
    -e '/^#? ?deb-src /d' -e 's/^deb (.*)/&\ndeb-src \1/' -e 's/^Types: deb$/Types: deb deb-src/' "$file"
done

apt-get update
# shellcheck disable=SC2086  # a list of words
apt-get dist-upgrade $minimal_apt_get_args -o Dpkg::Options::=--force-confold

# shellcheck disable=SC2086
apt-get install $minimal_apt_get_args apt-transport-https apt-utils ca-certificates software-properties-common tzdata

if [[ $ID == ubuntu ]]; then
  # shellcheck disable=SC2086
  apt-get install $minimal_apt_get_args language-pack-en
  locale-gen en_US.UTF-8
else
  # shellcheck disable=SC2086
  apt-get install $minimal_apt_get_args locales
  sed -i 's/^# *\(en_US.UTF-8 UTF-8\)/\1/' /etc/locale.gen
  locale-gen
fi
update-locale LANG=en_US.UTF-8 LC_CTYPE=en_US.UTF-8

# The environment: my_init fills these; members of docker_env may read them.
groupadd --gid 8377 docker_env
touch /etc/container_environment.sh /etc/container_environment.json
chown -R root:docker_env /etc/container_environment /etc/container_environment.sh /etc/container_environment.json
# The directory alone decides who reads the files in it, until somebody wants them for himself.
chmod 750 /etc/container_environment
chmod 644 /etc/container_environment/*
chmod 640 /etc/container_environment.sh /etc/container_environment.json
# /etc/profile sources only what is readable, so a login of anyone else stays silent.
ln -s /etc/container_environment.sh /etc/profile.d/container_environment.sh

# A login shell of root's without a terminal, as in `bash -lc` and ssh, would complain of mesg. mesg's status says what
# it was before, and would be that of a shell that is left at once.
sed -i 's/^mesg n.*/if [ -t 0 ]; then mesg n || true; fi/' /root/.profile

mkdir -p /etc/my_init.d /etc/my_init.pre_shutdown.d /etc/my_init.post_shutdown.d
