#!/bin/bash
# Run by build.sh, after apt/setup.sh.
# Afterwards: the locale, the environment's directory and the places for startup and shutdown scripts exist.
set -euo pipefail
# shellcheck source=/dev/null
source /etc/os-release

# If /sbin is a directory and not a link to /usr/sbin, Dockerfiles may use either path.
[[ -e /sbin/install_clean ]] || ln -s /usr/sbin/install_clean /sbin/install_clean

[[ -e /usr/bin/vim ]] || ln -s vim.tiny /usr/bin/vim

if [[ $ID == ubuntu ]]; then
  apt-get install -y --no-install-recommends language-pack-en
  locale-gen en_US.UTF-8
else
  apt-get install -y --no-install-recommends locales
  sed -i 's/^# *\(en_US.UTF-8 UTF-8\)/\1/' /etc/locale.gen
  locale-gen
fi
# Perl's order of lines is another each time, unless it is told not to be.
PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0 update-locale LANG=en_US.UTF-8 LC_CTYPE=en_US.UTF-8

# The environment: my_init fills these; members of docker_env may read them.
groupadd --gid 8377 docker_env
touch /etc/container_environment.sh /etc/container_environment.json
chown -R root:docker_env /etc/container_environment /etc/container_environment.sh /etc/container_environment.json
# The directory's mode decides who can read the files in it, unless somebody changes the mode of a file.
chmod 750 /etc/container_environment
chmod 644 /etc/container_environment/*
chmod 640 /etc/container_environment.sh /etc/container_environment.json
# /etc/profile sources only what is readable, so other users see no error at login.
ln -s /etc/container_environment.sh /etc/profile.d/container_environment.sh

# Without a terminal, as in `bash -lc` and ssh, mesg prints an error in root's login shell. With one its status tells the
# setting before, and would be the status of a shell that exits at once.
sed -i 's/^mesg n.*/if [ -t 0 ]; then mesg n || true; fi/' /root/.profile

mkdir -p /etc/my_init.d /etc/my_init.pre_shutdown.d /etc/my_init.post_shutdown.d

for name in setuser healthy install_clean; do ln -s my_init "/usr/share/bash-completion/completions/$name"; done
