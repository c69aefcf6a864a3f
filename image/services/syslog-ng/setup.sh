#!/bin/bash
# Run by build.sh, unless DISABLE_SYSLOG is on.
# Afterwards: syslog-ng is installed, as a service that my_init starts first and stops last.
set -euo pipefail

mkdir -p /etc/syslog-ng/conf.d

# The configuration must name the version that it is written for. Newer releases print the version that they expect.
config=/etc/syslog-ng/syslog-ng.conf
version=$(syslog-ng --version 2>/dev/null | sed -n -E \
  -e 's/^syslog-ng ([0-9]+\.[0-9]+)\..*/\1/p' -e 's/^Config version: (.*)/\1/p' | tail -n 1)
sed -i "s/^@version: INSTALLED/@version: $version/" "$config"
# Version 4 has another form of this option.
[[ $version != 4.* ]] || sed -i 's/stats_freq(0)/stats(freq(0))/' "$config"
cp "$config" /usr/lib/baseimage/syslog-ng.conf

# Version 4 warns at each start of a missing file, which its package does not have and nothing here uses. One line is enough.
if [[ $version == 4.* ]]; then
  patterns=/usr/share/syslog-ng/smart-multi-line.fsm
  mkdir -p "${patterns%/*}"
  [[ -e $patterns ]] || printf 'start_state\t/^$/\tstart_state\n' >"$patterns"
fi

# The modules that this configuration needs. One of them may exist with TLS and without.
modules=$(dirname "$(dpkg -L syslog-ng-core | grep -m 1 '/libaffile\.so$')")
mkdir /usr/lib/baseimage/syslog-ng.modules
for name in affile afsocket-notls afsocket basicfuncs syslogformat; do
  [[ ! -e $modules/lib$name.so ]] || ln -s "$modules/lib$name.so" /usr/lib/baseimage/syslog-ng.modules
done
[[ ! -e $modules/libafsocket-notls.so ]] || rm /usr/lib/baseimage/syslog-ng.modules/libafsocket.so

# Other programs expect it there.
ln -s /var/lib/syslog-ng/syslog-ng.pid /run/syslog-ng.pid
install -m 640 -g adm /dev/null /var/log/syslog
