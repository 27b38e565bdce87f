#!/bin/sh
# cppcheck.sh: what cppcheck calls an error, a warning or a performance problem in the library and the programs.
# Not whether arrays are filled: it doesn't see that a loop writes the part that is read; the compilers and the
# sanitizers look there.
set -eu
cd "$(dirname "$0")/../.."
cppcheck --quiet -isrc/cpu/knn_faiss_plugin.cpp --std=c11 --language=c --enable=warning,performance --inline-suppr --error-exitcode=1 -j "$(nproc)" \
    --suppress=missingIncludeSystem --suppress=uninitvar --suppress=invalidFunctionArg \
    -D__x86_64__ -D__GNUC__=12 -D__gnu_linux__ -D_GNU_SOURCE -Iinclude -Isrc -Iexamples src examples
