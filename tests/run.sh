#!/usr/bin/env bash
# run.sh [PRESET ...]: build and test libne: as it ships, under the address and undefined-behaviour sanitizers, then under
# the thread sanitizer. Installs what is missing when root; otherwise prints the one line to run. The last line counts.
set -euo pipefail
cd "$(dirname "$0")/.."

tests/packages.sh gcc g++ libc6-dev make cmake pkg-config libopenblas-dev liblapacke-dev libpng-dev zlib1g-dev check \
    clang libclang-rt-dev libomp-dev
# The test of the Python module needs numpy and scipy: those of the user's python3, or else Debian's.
python=$(command -v python3 || true)
if ! "${python:-false}" -c 'import numpy, scipy.sparse' 2>/dev/null; then
    tests/packages.sh python3 python3-numpy python3-scipy
    python=/usr/bin/python3
fi
CMAKE_BUILD_PARALLEL_LEVEL=$(nproc)
CTEST_PARALLEL_LEVEL=$(nproc) # much of a test is one thread that checks what several computed
export CMAKE_BUILD_PARALLEL_LEVEL CTEST_PARALLEL_LEVEL
# clang 14's thread sanitizer knows addresses of up to 28 random bits; newer kernels draw 32, and setarch turns that off.
steady=
[ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)" -le 28 ] || steady="setarch -R"

passed=0
failed=0
[ $# -gt 0 ] || set -- release asan tsan
for preset in "$@"; do
    log=$PWD/build/$preset/junit.xml
    echo "--- $preset: build"
    if ! { cmake --preset "$preset" -DPython3_EXECUTABLE="$python" >/dev/null && cmake --build --preset "$preset"; }; then
        echo "$preset: does not build"
        failed=$((failed + 1))
        continue
    fi
    echo "--- $preset: test"
    rm -f "$log"
    status=0
    $steady ctest --preset "$preset" --output-junit "$log" --test-output-size-passed 1000000 \
        --test-output-size-failed 1000000 || status=$?
    read -r good bad < <("$python" tests/ci/count.py "$log") || { good=0; bad=1; }
    [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    echo "$preset: $good passed, $bad failed"
    passed=$((passed + good))
    failed=$((failed + bad))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
