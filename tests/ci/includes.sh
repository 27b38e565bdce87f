#!/bin/sh
# includes.sh: the direction of #include. A file of the library includes its own layer and those below it; programs
# include ne.h and their own headers; BLAS, intrinsics and OpenMP's neighbors have one place each.
set -eu
cd "$(dirname "$0")/../.."

find include src examples tests -name '*.[ch]' | sort >"${TMPDIR:-/tmp}/ne_includes.$$"
trap 'rm -f "${TMPDIR:-/tmp}/ne_includes.$$"' EXIT
xargs awk '
BEGIN {
    split("base 0 comm 1 backend 2 cpu 2 affinity 3 graph 3 repulsion 3 optim 3 init 3 metrics 3 embedding 4 methods 4 api 5", words, " ")
    for (i = 1; i in words; i += 2) layer[words[i]] = words[i + 1]
    split("cblas.h base lapacke.h base openblas_config.h base immintrin.h cpu/x86 dlfcn.h backend", words, " ")
    for (i = 1; i in words; i += 2) home[words[i]] = "src/" words[i + 1] "/"
    for (i = 1; i < ARGC; i++) there[ARGV[i]] = 1
}
function complain(why) { print FILENAME ":" FNR ": " why; bad = 1 }

/^[ \t]*#[ \t]*include/ {
    quoted = $0 ~ /include[ \t]*"/
    name = $0
    sub(/^[^"<]*["<]/, "", name)
    sub(/[">].*/, "", name)
    split(FILENAME, own, "/")
    split(name, other, "/")
    folder = FILENAME
    sub(/[^\/]*$/, "", folder)

    if (name in home && own[1] == "src" && index(FILENAME, home[name]) != 1)
        complain("<" name "> belongs to " home[name])
    if (name == "ne.h" || !quoted) next
    if (own[1] == "include") complain("ne.h may include C headers only, not " name)
    else if (own[1] == "src") {
        if (!(other[1] in layer) || !(("src/" name) in there)) complain("no header of the library: " name)
        else if (!(own[2] in layer)) complain("no layer is known for src/" own[2])
        else if (layer[other[1]] > layer[own[2]])
            complain(own[2] " (layer " layer[own[2]] ") includes " name " (layer " layer[other[1]] ")")
    } else if (own[1] == "examples" || own[2] == "end_to_end") {
        if (!((folder name) in there || (own[1] "/" name) in there))
            complain("a program includes ne.h and its own headers only, not " name)
    } else if (!((folder name) in there || ("tests/" name) in there || ("src/" name) in there || ("examples/" name) in there))
        complain("no such header: " name)
}
END { exit bad }
' <"${TMPDIR:-/tmp}/ne_includes.$$"
