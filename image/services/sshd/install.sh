#!/bin/bash
# Run by system_services.sh, unless DISABLE_SSH is 1.
# Afterwards: sshd is a service of runit, switched off, with no host keys and no way in.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=image/buildconfig
source ../../buildconfig

# shellcheck disable=SC2086  # a list of words
apt-get install $minimal_apt_get_args openssh-server openssh-client
rm -f /etc/ssh/ssh_host_*
copy_rootfs rootfs
chmod 600 /etc/insecure_key /etc/insecure_key.ppk

install -d -m 700 /root/.ssh
touch /root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys

# Usage: known KIND NAME... Those of the names, in this order, that this release knows, with commas.
known() {
  local kind=$1 name names=()
  shift
  for name in "$@"; do
    if ssh -Q "$kind" | grep -qxF "$name"; then names+=("$name"); fi
  done
  (IFS=, && echo "${names[*]}")
}

[[ ! -d /etc/ssh/sshd_config.d ]] || sed -i '1i Include /etc/ssh/sshd_config.d/*.conf\n' /etc/ssh/sshd_config

host_keys=ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256
# An old sshd looks for the key's own name, and signs by SHA-2 as well if it finds that.
ssh -Q HostKeyAlgorithms &>/dev/null || host_keys+=,ssh-rsa

# No SHA-1, no CBC, nothing from before elliptic curves but large groups. sshd refuses a name that it does not know.
cat >>/etc/ssh/sshd_config <<ALGORITHMS

# The modern ones of those that this release knows; chosen when the image was built.
KexAlgorithms $(known kex sntrup761x25519-sha512@openssh.com curve25519-sha256 curve25519-sha256@libssh.org \
  ecdh-sha2-nistp521 ecdh-sha2-nistp384 ecdh-sha2-nistp256 \
  diffie-hellman-group18-sha512 diffie-hellman-group16-sha512 diffie-hellman-group-exchange-sha256)
Ciphers $(known cipher chacha20-poly1305@openssh.com aes256-gcm@openssh.com aes128-gcm@openssh.com \
  aes256-ctr aes192-ctr aes128-ctr)
MACs $(known mac hmac-sha2-512-etm@openssh.com hmac-sha2-256-etm@openssh.com umac-128-etm@openssh.com)
HostKeyAlgorithms $host_keys
ALGORITHMS
