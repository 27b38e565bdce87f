#!/bin/sh
# instructions.sh BUILD [--update]: no hot kernel needs more instructions than tests/bench/instructions.txt says, and 5 %;
# --update writes that file anew. BUILD is a release build; the program that is counted is made in it.
#
# A clock on a busy machine says little, a count of instructions is the same each time. What it assumes: valgrind shows
# the program AVX2 and FMA, and no more, so that everywhere the same clone of a kernel runs (a processor without them is
# skipped); one thread; the compiler in the file's first line (another one gets the table, and no verdict). A count is
# no time: it knows nothing of caches, of divisions, of threads that wait.
set -eu
build=$(cd "$1" && pwd)
update=${2:-}
cd "$(dirname "$0")/../.."
counts=tests/bench/instructions.txt
tolerance=5 # percent
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command -v valgrind >/dev/null || { echo "instructions.sh: skipped, there is no valgrind"; exit 0; }
grep -q '^CMAKE_BUILD_TYPE:[A-Z]*=Release$' "$build/CMakeCache.txt" ||
    { echo "instructions.sh: $1 is no release build"; exit 1; }
{ cmake "$build" -DNE_BENCH=ON && cmake --build "$build" --target instructions; } >"$work/log" 2>&1 ||
    { cat "$work/log"; exit 1; }
program=$(find "$build" -name instructions -type f -perm -u+x | head -n 1)
compiler=$("$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")" --version | head -n 1 | sed "s/^[a-z]* (/gcc (/")

OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 valgrind --tool=callgrind --callgrind-out-file="$work/out" \
    --collect-atstart=no --toggle-collect='measure_*' "$program" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
callgrind_annotate --inclusive=yes --threshold=100 "$work/out" >"$work/annotated"
grep -q 'sketch_products\.\(fma\|arch_x86_64_v3\)' "$work/annotated" ||
    { echo "instructions.sh: skipped, the clones for AVX2 and FMA did not run"; exit 0; }
sed -n 's/^ *\([0-9,]*\) .*[: ]measure_\([a-z0-9_]*\).*/\2 \1/p' "$work/annotated" | tr -d , | sort >"$work/now"
[ -s "$work/now" ] || { echo "instructions.sh: nothing was counted"; exit 1; }

if [ "$update" = --update ]; then
    { printf '# %s\n' "$compiler"; cat "$work/now"; } >"$counts"
    cat "$counts"
    exit 0
fi

same=1
[ "$(head -n 1 "$counts")" = "# $compiler" ] || same=0
[ $same -eq 1 ] || echo "instructions.sh: no verdict, the counts are those of another compiler: $(head -n 1 "$counts")"
awk -v tolerance=$tolerance -v same=$same '
    /^#/ { next }
    FNR == NR { was[$1] = $2; next }
    {
        change = was[$1] ? 100 * ($2 / was[$1] - 1) : 0
        verdict = ""
        if (!was[$1]) { verdict = "new: --update"; bad = 1 }
        else if (change > tolerance) { verdict = "slower"; bad = 1 }
        else if (change < -tolerance) verdict = "faster: --update keeps it so"
        printf "%-20s %12s %12d %+6.1f %%  %s\n", $1, was[$1] ? was[$1] : "-", $2, change, verdict
        seen[$1] = 1
    }
    END {
        for (name in was) if (!seen[name]) { print name ": is no longer measured: --update"; bad = 1 }
        exit bad && same
    }' "$counts" "$work/now"
