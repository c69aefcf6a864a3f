#!/bin/bash
# Run once by the Dockerfile, as its only RUN.
# Afterwards: the system is complete except for my_init and setuser, and /bd_build contains only what derived images use.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=image/buildconfig
source ./buildconfig

# Usage: words FILE. Prints the words of a file without its comments.
words() {
  sed 's/#.*//' "$1" | xargs
}

# Usage: wanted SERVICE. Fails if the service's switch, such as DISABLE_SSH, leaves it out.
wanted() {
  local name
  name=$(words "$1/switch")
  case ${!name,,} in
    1 | true | yes | on) return 1 ;;
    0 | false | no | off) return 0 ;;
  esac
  echo "*** Cannot build: $name is \"${!name}\"; set it to 1 (true, yes, on) or 0 (false, no, off)" >&2
  exit 1
}

# Usage: add PART. A part is a folder with these, or some of them:
#   packages  names of packages, which are installed first
#   rootfs/   files that are copied to /, owned by root, with the executable bit that they have in the checkout
#   setup.sh  does all else, and is run in the folder
add() {
  local part=$1
  # shellcheck disable=SC2046,SC2086,SC2154  # lists of words; the command is buildconfig's
  [[ ! -e $part/packages ]] || $minimal_apt_get_install $(words "$part/packages")
  # tar and not cp: on newer bases /sbin is a link, and directories that exist must keep their modes.
  [[ ! -e $part/rootfs ]] || tar -C "$part/rootfs" --owner=root:0 --group=root:0 --mode=u+w,go=u-w -c . |
    tar -C / --keep-directory-symlink --no-overwrite-dir -x
  [[ ! -e $part/setup.sh ]] || (cd "$part" && ./setup.sh)
}

# All switches are read first, so that a wrong value is reported now, and not after two minutes.
parts=(apt system runit)
for service in services/*; do
  if wanted "$service"; then parts+=("$service"); fi
done

for part in "${parts[@]}"; do add "$part"; done

# Where the base's own runit package has this directory, users may look for services there.
other=/etc/runit/runsvdir/default
[[ ! -d $other ]] || find /etc/service -mindepth 1 -maxdepth 1 -exec ln -sfn -t $other {} +

# Two builds give the same image: the day of a build is not in it, nor the umask of the checkout.
sed -i -E 's/^([^:]+:[*!]+:)[0-9]+:/\1:/' /etc/shadow # Without a password there is no day on which it was changed.
chmod -R u=rwX,go=rX .

./cleanup.sh
find . -mindepth 1 -maxdepth 1 ! -name buildconfig ! -name cleanup.sh -exec rm -rf {} +
