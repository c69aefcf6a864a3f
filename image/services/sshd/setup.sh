#!/bin/bash
# Run by build.sh, unless DISABLE_SSH is on.
# Afterwards: sshd is a service of runit, switched off, with no host keys and no way in.
set -euo pipefail

rm -f /etc/ssh/ssh_host_*
config=/etc/ssh/sshd_config
of_package=$(<$config)
chmod 600 /etc/insecure_key /etc/insecure_key.ppk

install -d -m 755 /run/sshd
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

# Terrapin (CVE-2023-48795) breaks this cipher unless both sides know of strict key exchange.
chacha=
! grep -q kex-strict-s /usr/sbin/sshd || chacha=chacha20-poly1305@openssh.com

# An sshd as old as 16.04's can use an RSA key only if it may sign by SHA-1, too: there nobody is shown that key.
rsa=
! ssh -Q HostKeyAlgorithms &>/dev/null || rsa=,rsa-sha2-512,rsa-sha2-256

# Our file names in comments what the package's does not: `sed` in a Dockerfile is to find each once. Files of
# /etc/ssh/sshd_config.d, where there are any, stay first.
ours=$(grep -vxFf <(grep '^#[A-Z]' <<<"$of_package") sshd_config)
include=$(grep '^Include ' <<<"$of_package") && include+=$'\n\n' || include=
cat >$config <<DEFAULTS
$include$ours

# The defaults of this image, from here to their end: those of the package, then our own. A boot moves them.

$(sed -E -e '/^(Include|HostKey) /d' -e 's/^PrintMotd no/PrintMotd yes/' <<<"$of_package")

# The doubled slash keeps an upgrade of the package from making keys, which all containers of an image would share:
# it looks for the plain names.
HostKey /etc/ssh//ssh_host_ed25519_key
HostKey /etc/ssh//ssh_host_ecdsa_key
HostKey /etc/ssh//ssh_host_rsa_key

# Keys, and nothing else.
PasswordAuthentication no

# Those of the modern algorithms that this release knows: no SHA-1, no CBC, nothing from before elliptic curves but
# large groups. Clients of 2016 get in by ecdh-sha2-nistp256, ecdsa-sha2-nistp256 and hmac-sha2-256.
KexAlgorithms $(known kex sntrup761x25519-sha512@openssh.com curve25519-sha256 curve25519-sha256@libssh.org \
  diffie-hellman-group18-sha512 diffie-hellman-group16-sha512 diffie-hellman-group-exchange-sha256 \
  ecdh-sha2-nistp256)
Ciphers $(known cipher $chacha aes256-gcm@openssh.com aes128-gcm@openssh.com aes256-ctr aes192-ctr aes128-ctr)
MACs $(known mac hmac-sha2-512-etm@openssh.com hmac-sha2-256-etm@openssh.com umac-128-etm@openssh.com hmac-sha2-256)
HostKeyAlgorithms ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521$rsa
# End of the defaults
DEFAULTS
