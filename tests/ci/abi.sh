#!/bin/sh
# abi.sh BUILD [--update]: the ABI of BUILD/libne.so (built with -g) against the dump that is kept in the tree. Any
# difference fails, additions too: what is public changes on purpose, with --update and in a diff that someone reads.
set -eu
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
kept=tests/abi/libne.abi
fresh=$build/libne.abi

# Types that ne.h does not define are left out here, on both sides: abidiff itself would need their places in the dump,
# which change with every line.
abidw --headers-dir include --drop-private-types --no-show-locs --no-corpus-path --no-comp-dir-path \
    --exported-interfaces-only --type-id-style hash "$build/libne.so" >"$fresh.raw"
sed "s|path='$PWD/|path='|" "$fresh.raw" >"$fresh"
if [ "${2-}" = --update ]; then
    cp "$fresh" $kept
    echo "$kept: written"
    exit
fi
[ -s $kept ] || { echo "$kept: missing; make it with $0 BUILD --update"; exit 1; }
status=0
abidiff $kept "$fresh" || status=$?
if [ $((status & 8)) -ne 0 ]; then
    echo "The ABI changed so that programs break: after a release that takes a new soname."
elif [ $status -ne 0 ]; then
    echo "The ABI changed. If that is meant: $0 BUILD --update, and read the diff of $kept."
fi
exit $status
