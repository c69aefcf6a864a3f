#!/bin/sh
# Run by invoke-rc.d, which packages use to start and stop their daemons: SERVICE ACTION.
# Exit 101 forbids it: in a Dockerfile nobody would stop the daemon again, and in a container runit is in charge.
# Log rotation, though, must reach the daemons of a running container.
case $2 in
  rotate | reload) pgrep -x runsvdir >/dev/null && exit 0 ;;
esac
exit 101
