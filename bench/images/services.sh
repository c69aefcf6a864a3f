#!/bin/sh
# Makes services to be supervised. Run while the images of the bench are built.
# Afterwards: /bench/services/N has N services for runit and s6, /bench/supervisor/N.conf as many for supervisor, and
# /bench/users/X has ten that become another user by X. Each says "up" on standard output and sleeps.
set -eu

# Usage: service DIRECTORY COMMAND
service() {
  mkdir -p "$1"
  printf '#!/bin/sh\n%s\n' "$2" >"$1/run"
  chmod +x "$1/run"
}

mkdir -p /bench/supervisor
for count in 1 20 200 800; do
  conf=/bench/supervisor/$count.conf
  cat >"$conf" <<'END'
[supervisord]
nodaemon=true
user=root
logfile=/dev/null
logfile_maxbytes=0
pidfile=/run/supervisord.pid
minfds=10000
END
  for number in $(seq "$count"); do
    service "/bench/services/$count/$number" "echo up; exec sleep 1000000"
    cat >>"$conf" <<END

[program:$number]
command=/bin/sh -c "echo up >/proc/1/fd/1; exec sleep 1000000"
stdout_logfile=NONE
stderr_logfile=NONE
END
  done
done

for number in $(seq 10); do
  for way in "setuser nobody" "gosu nobody" "chpst -u nobody"; do
    service "/bench/users/${way%% *}/$number" "exec $way sh -c 'echo up; exec sleep 1000000'"
  done
done
