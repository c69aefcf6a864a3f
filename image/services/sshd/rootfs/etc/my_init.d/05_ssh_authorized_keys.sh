#!/bin/sh
# Run by my_init at boot.
# Afterwards: root can log in with each key of SSH_AUTHORIZED_KEYS, which has one per line.
set -u
[ -n "${SSH_AUTHORIZED_KEYS-}" ] || exit 0
unset GREP_OPTIONS

file=/root/.ssh/authorized_keys
if ! { install -d -m 700 /root/.ssh && touch "$file" && chmod 600 "$file"; }; then
  echo "*** Cannot install the keys of SSH_AUTHORIZED_KEYS in $file" >&2
  exit 0
fi

# The last line, which a Dockerfile may have appended, may have no newline.
[ -z "$(tail -c 1 "$file")" ] || echo >>"$file"

number=0
printf '%s\n' "$SSH_AUTHORIZED_KEYS" | while IFS= read -r line; do
  number=$((number + 1))
  line=${line%"$(printf '\r')"}
  case $line in
    '' | '#'*) continue ;;
  esac
  if ! printf '%s\n' "$line" | ssh-keygen -l -f - >/dev/null 2>&1; then
    start=$(printf %.12s "$line" | tr -c '[:print:]' '?')
    echo "*** Line $number of SSH_AUTHORIZED_KEYS is not a public key that sshd knows: \"$start...\"; left out" >&2
    continue
  fi
  grep -qxF -e "$line" "$file" || printf '%s\n' "$line" >>"$file"
done
exit 0
