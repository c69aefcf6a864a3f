# shellcheck shell=bash
# Sourced by startup scripts.

# Usage: is_on NAME. Whether the variable of that name switches something on: 1, true, yes or on, in any case.
is_on() {
  local value=${!1-}
  case ${value,,} in
    1 | true | yes | on) return 0 ;;
    *) return 1 ;;
  esac
}
