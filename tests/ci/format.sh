#!/bin/sh
# format.sh: C sources are as clang-format 14 leaves them. Names those that are not, with the first lines of the
# difference. To mend: clang-format -i FILE.
set -eu
cd "$(dirname "$0")/../.."

status=0
for file in $(find include src examples tests -name '*.[ch]' | sort); do
    clang-format "$file" | diff -U1 --label "$file" "$file" --label "clang-format $file" - >"${TMPDIR:-/tmp}/ne_format.$$" || {
        head -n 12 "${TMPDIR:-/tmp}/ne_format.$$"
        status=1
    }
done
rm -f "${TMPDIR:-/tmp}/ne_format.$$"
exit $status
