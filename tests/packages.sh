#!/bin/sh
# packages.sh PACKAGE ...: see that these Debian packages are there. Root installs what is missing; anybody else is told
# the one line to run. On another system nothing is checked, and CMake says what it misses.
set -eu

command -v dpkg-query >/dev/null || exit 0
missing=
for package in "$@"; do
    case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true) in
    installed) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "These packages are missing; run this line, then come back:" >&2
    echo "    sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "Installing$missing"
apt-get -qq update
# Unquoted on purpose: a list of words.
# shellcheck disable=SC2086
apt-get -qq install --yes --no-install-recommends $missing >/dev/null
