#!/bin/sh
# header.sh: ne.h alone, included twice, is clean C11 and C++17 under each compiler that is there.
set -eu
cd "$(dirname "$0")/../.."

source='#include "ne.h"
#include "ne.h"
int main(void) { return NE_OK; }'
status=0
for flags in "gcc -std=c11 -x c" "g++ -std=c++17 -x c++" "clang -std=c11 -x c" "clang++ -std=c++17 -x c++"; do
    command -v "${flags%% *}" >/dev/null || { echo "header.sh: no ${flags%% *} here"; continue; }
    for more in "" -DNE_EXPERIMENTAL; do
        # shellcheck disable=SC2086
        printf '%s\n' "$source" | ${flags%% *} -Iinclude -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror $more \
            -fsyntax-only ${flags#* } - || { echo "ne.h: not clean with $flags $more"; status=1; }
    done
done
exit $status
