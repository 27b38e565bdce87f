#!/bin/sh
# step.sh BUILD X.npy LAYOUT.npy [PROTOTYPES]: one t-SNE step on a finished layout of X, by parts, on one thread and on
# two; with a folder of prototypes (attraction.c, grid_repulsion.c) these are compiled and run in turn with it, on the
# same layout, matrix and order, three rounds of each.
#
# X: n x d and LAYOUT: n x 2, float32 .npy. BUILD: a build with NE_BENCH=ON. The prototypes' grid gets its spacing in
# SPACING, 0.45 by default; every line shows its error beside its time.
set -eu
build=$(cd "$1" && pwd)
step=$(find "$build" -name step -type f -perm -u+x | head -n 1)
[ -n "$step" ] || { echo "step.sh: $1 has no program step: cmake -DNE_BENCH=ON"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$step" make "$2" "$work/it" "$3"
rows=$(($(wc -c <"$work/it.y") / 8))
if [ $# -gt 3 ]; then
    for name in attraction grid_repulsion; do
        cc -std=gnu11 -O3 -march=haswell -fopenmp "$4/$name.c" -o "$work/$name" -lm 2>"$work/log" ||
            { cat "$work/log"; exit 1; }
    done
fi
for threads in 1 2; do
    for round in 1 2 3; do
        "$step" time "$work/it" "threads=$threads" | tail -n +$((round > 1 ? 2 : 1))
        if [ $# -gt 3 ]; then
            OMP_NUM_THREADS=$threads "$work/attraction" "$work/it" | tail -n 1 | sed 's/^.*nnz/prototype: nnz/'
            OMP_NUM_THREADS=$threads "$work/grid_repulsion" "$rows" "$work/it.npy" "${SPACING:-0.45}" |
                sed 's/^/prototype: /'
        fi
    done
done
