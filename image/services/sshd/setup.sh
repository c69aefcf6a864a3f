#!/bin/bash
# Run by build.sh, unless DISABLE_SSH is on.
# Afterwards: sshd is a service of runit and switched off. It has no host keys, and nobody can log in.
set -euo pipefail

rm -f /etc/ssh/ssh_host_*
config=/etc/ssh/sshd_config
of_package=$(<$config)
chmod 600 /etc/insecure_key /etc/insecure_key.ppk

install -d -m 755 /run/sshd
install -d -m 700 /root/.ssh
touch /root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys

# Usage: known KIND NAME... Prints those of the names that this release knows, in this order, separated by commas.
known() {
  local kind=$1 name names=()
  shift
  for name in "$@"; do
    if ssh -Q "$kind" | grep -qxF "$name"; then names+=("$name"); fi
  done
  (IFS=, && echo "${names[*]}")
}

# Terrapin (CVE-2023-48795) breaks this cipher unless both sides know strict key exchange.
chacha=
! grep -q kex-strict-s /usr/sbin/sshd || chacha=chacha20-poly1305@openssh.com

# An sshd as old as 16.04's can use an RSA host key only if it may sign by SHA-1, too; so there it does not offer that key.
rsa=
! ssh -Q HostKeyAlgorithms &>/dev/null || rsa=,rsa-sha2-512,rsa-sha2-256

# Our file has comments only for the settings that the package's does not have, so that `sed` in a Dockerfile finds each
# once. Files of /etc/ssh/sshd_config.d, if there are any, stay first.
ours=$(grep -vxFf <(grep '^#[A-Z]' <<<"$of_package") sshd_config)
include=$(grep '^Include ' <<<"$of_package") && include+=$'\n\n' || include=
cat >$config <<DEFAULTS
$include$ours

# The defaults of this image, from here to their end: those of the package, then our own. A boot moves them.

$(sed -E -e '/^(Include|HostKey) /d' -e 's/^PrintMotd no/PrintMotd yes/' <<<"$of_package")

# An upgrade of the package makes the keys whose names it finds here, and all containers of an image would share them.
# Because of the doubled slash it does not find the names.
HostKey /etc/ssh//ssh_host_ed25519_key
HostKey /etc/ssh//ssh_host_ecdsa_key
HostKey /etc/ssh//ssh_host_rsa_key

# Only keys.
PasswordAuthentication no

# The modern algorithms that this release knows: no SHA-1, no CBC, and Diffie-Hellman without elliptic curves only with
# large groups. Clients of 2016 can log in by ecdh-sha2-nistp256, ecdsa-sha2-nistp256 and hmac-sha2-256.
KexAlgorithms $(known kex sntrup761x25519-sha512@openssh.com curve25519-sha256 curve25519-sha256@libssh.org \
  diffie-hellman-group18-sha512 diffie-hellman-group16-sha512 diffie-hellman-group-exchange-sha256 \
  ecdh-sha2-nistp256)
Ciphers $(known cipher $chacha aes256-gcm@openssh.com aes128-gcm@openssh.com aes256-ctr aes192-ctr aes128-ctr)
MACs $(known mac hmac-sha2-512-etm@openssh.com hmac-sha2-256-etm@openssh.com umac-128-etm@openssh.com hmac-sha2-256)
HostKeyAlgorithms ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521$rsa
# End of the defaults
DEFAULTS
