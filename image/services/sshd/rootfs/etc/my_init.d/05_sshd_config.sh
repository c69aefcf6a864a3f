#!/bin/sh
# Run by my_init at boot, and by the service sshd.
# Afterwards: /run/sshd is there, which sshd needs, and in /etc/ssh/sshd_config the image's defaults stand behind the
# lines of everybody else. sshd takes the first line of a kind, so a line that was appended counts.
set -u

[ -d /run/sshd ] || mkdir -p /run/sshd 2>/dev/null

config=/etc/ssh/sshd_config
# Before the first Match, since all lines after it belong to it. Ports add up: 22 is not wanted beside another one.
# awk prints nothing when all is in order.
ordered=$(awk '
  { text = text $0 "\n" }
  /^# The defaults of this image/ { ours = 1 }
  { kind = tolower($1) }
  ours { defaults[++count] = $0; if (/^# End of the defaults/) ours = 0; next }
  kind == "port" { port = 1 }
  kind == "match" { match_seen = 1 }
  match_seen { matches = matches $0 "\n"; next }
  { ordered = ordered $0 "\n" }
  END {
    for (i = 1; i <= count; i++) if (!port || tolower(defaults[i]) !~ /^port[ \t]/) ordered = ordered defaults[i] "\n"
    if (ordered matches != text) printf "%s", ordered matches
  }
' "$config") || exit 0
[ "$ordered" ] || exit 0

# A copy first, for its owner and mode.
if ! { cp -p "$config" "$config.new" && printf '%s\n' "$ordered" >"$config.new" && mv -f "$config.new" "$config"; } \
  2>/dev/null && [ "$(id -u)" = 0 ]; then
  echo "*** Cannot write $config: its lines behind \"# End of the defaults\" have no effect where the defaults differ" >&2
fi
exit 0
