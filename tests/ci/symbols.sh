#!/bin/sh
# symbols.sh BUILD: what libne.so exports is what ne.map lists is what ne.h declares, each in its node; it links nothing
# but BLAS, LAPACK, OpenMP and the C library; and it calls nothing that a library must not (exit, printf, ...).
set -eu
library=$(cd "$1" && pwd)/libne.so
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

declared() # the functions of ne.h, by the attribute that NE_API becomes
{
    printf '#include "ne.h"\n' | cc -E -P "$@" -Iinclude -x c - | tr -s ' \n' ' ' | tr ';{}' '\n' |
        sed -n 's/__attribute__((visibility("default")))/@/; s/^.*@[^(]*[ *]\(ne_[a-z0-9_]*\) *(.*/\1/p' | sort
}
declared >"$work/stable"
declared -DNE_EXPERIMENTAL | comm -13 "$work/stable" - | sed 's/$/ NE_EXPERIMENTAL/' >"$work/other"
sed 's/$/ NE_0/' "$work/stable" | sort - "$work/other" >"$work/header"
awk '/^NE_/ { node = $1 } /^ +ne_/ { sub(/;/, ""); print $1, node }' src/ne.map | sort >"$work/map"
nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@+/, " ", $3); print $3 }' | sort >"$work/library"
[ -s "$work/header" ] || { echo "symbols.sh: found no function in ne.h"; status=1; }
diff -U0 --label ne.h "$work/header" --label ne.map "$work/map" || status=1
diff -U0 --label ne.map "$work/map" --label libne.so "$work/library" || status=1

needed=$(objdump -p "$library" | awk '$1 == "NEEDED" { print $2 }')
for name in $needed; do
    case $name in
    libopenblas.so.* | liblapacke.so.* | libgomp.so.* | libomp.so.* | libm.so.* | libc.so.* | libdl.so.* | ld-linux*) ;;
    *) echo "libne.so: links $name"; status=1 ;;
    esac
done

nm -D --undefined-only "$library" | sed 's/^ *[Uw] //; s/@.*//' | grep -xE \
    '_?exit|abort|__assert_fail|printf|fprintf|puts|putchar|perror|__(f|v)?printf_chk|s?rand|random|setlocale|signal|sigaction|setenv|system' |
    sed 's/^/libne.so: a library must not call /' >"$work/calls"
cat "$work/calls"
[ ! -s "$work/calls" ] || status=1
exit $status
