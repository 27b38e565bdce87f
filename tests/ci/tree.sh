#!/bin/sh
# tree.sh: the top level holds what belongs there, no source is longer than 600 lines (ne.h: 900), no text names somebody's machine,
# and shell scripts are as shellcheck likes them.
set -eu
cd "$(dirname "$0")/../.."
status=0
files=$(git ls-files --cached --others --exclude-standard 2>/dev/null || find . -type f -not -path './build/*' | sed 's|^\./||')

for name in $(printf '%s\n' "$files" | cut -d/ -f1 | sort -u); do
    case $name in
    include | src | cuda | tests | examples | docs | CMakeLists.txt | CMakePresets.json | README.md | LICENSE | .*) ;;
    *) echo "$name: does not belong at the top level"; status=1 ;;
    esac
done
for file in $files; do
    [ -f "$file" ] || continue
    case $file in
    *.c | *.h | *.cu | *.py | *.sh)
        lines=$(wc -l <"$file")
        most=600
        case $file in
        include/ne.h) most=900 ;;           # one header is a promise
        tests/oracle/*.h) most=$lines ;;    # generated
        esac
        [ "$lines" -le "$most" ] || { echo "$file: $lines lines, $most are allowed"; status=1; } ;;
    esac
    case $file in
    *.npy | *.gz | *.png) ;;
    *) ! grep -nHE '(^|[^A-Za-z0-9_./-])/(work|farm|root|home)/' "$file" || status=1 ;;
    esac
done
scripts=$(printf '%s\n' "$files" | grep -E '\.sh$|^\.ci/run$')
# shellcheck disable=SC2086
shellcheck --severity=warning $scripts || status=1
exit $status
