#!/bin/sh
# sources.sh: every C source is listed in CMake, and every source that is listed exists. CMake runs it too, each time it
# configures the tests, so that a forgotten file is a message and not a missing symbol.
set -eu
cd "$(dirname "$0")/../.."

status=0
for folder in src examples tests; do
    list=$folder/CMakeLists.txt
    [ "$folder" = src ] && list=CMakeLists.txt
    # Paths in a list are relative to it; a comment is not a list.
    listed=$(sed 's/#.*//' "$list" | grep -oE '[A-Za-z0-9_/]+\.c\>' | sort -u)
    [ "$folder" = src ] || listed=$(printf '%s\n' "$listed" | sed "s|^|$folder/|")
    there=$(find "$folder" -name '*.c' | sort)
    for file in $there; do
        printf '%s\n' "$listed" | grep -qxF "$file" || { echo "$file: not listed in $list"; status=1; }
    done
    for file in $listed; do
        [ "$file" = "$folder/" ] || [ -f "$file" ] || { echo "$list: $file does not exist"; status=1; }
    done
done
exit $status
