#!/bin/sh
# install.sh BUILD: examples/minimal.c builds and runs against an installed tree that was moved after the installation,
# from outside, as C and as C++: once by find_package(ne), once by pkg-config. Nothing but what a user needs is installed.
set -eu
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
source=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/moved"
libraries=$(dirname "$(find "$work/moved" -name libne.so.0)")
export PKG_CONFIG_PATH="$libraries/pkgconfig"
export LD_LIBRARY_PATH="$libraries"
cp "$source/examples/minimal.c" "$work/minimal.c"
cp "$source/examples/minimal.c" "$work/minimal.cpp"

say() { echo "install.sh: $*"; }

cat >"$work/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.22)
project(user LANGUAGES C CXX)
find_package(ne 0.1 REQUIRED)
add_executable(by_cmake_c minimal.c)
add_executable(by_cmake_cxx minimal.cpp)
target_compile_features(by_cmake_cxx PRIVATE cxx_std_17)
target_link_libraries(by_cmake_c PRIVATE ne::ne)
target_link_libraries(by_cmake_cxx PRIVATE ne::ne)
END
cmake -S "$work" -B "$work" -DCMAKE_PREFIX_PATH="$work/moved" >"$work/log" && cmake --build "$work" >>"$work/log" || {
    cat "$work/log"
    say "find_package(ne): no build"
    exit 1
}
# shellcheck disable=SC2046
{
    cc -std=c11 -Wall -Wextra -Werror "$work/minimal.c" $(pkg-config --cflags --libs ne) -o "$work/by_pkg_config_c"
    c++ -std=c++17 -Wall -Wextra -Werror "$work/minimal.cpp" $(pkg-config --cflags --libs ne) -o "$work/by_pkg_config_cxx"
}
[ "$(pkg-config --modversion ne)" = "$(sed -n 's/^project(ne VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)" ] ||
    { say "ne.pc has another version than CMakeLists.txt"; exit 1; }

for program in by_cmake_c by_cmake_cxx by_pkg_config_c by_pkg_config_cxx; do
    "$work/$program" >"$work/$program.out" || { say "$program failed"; exit 1; }
    [ -s "$work/$program.out" ] || { say "$program printed nothing"; exit 1; }
    cmp "$work/by_cmake_c.out" "$work/$program.out" || { say "$program has another answer"; exit 1; }
done

stray=$(cd "$work/moved" && find . -type f -o -type l | grep -vE \
    '^\./(include/ne\.h|lib/([^/]+/)?(libne\.(so[0-9.]*|a)|libne-faiss\.so|pkgconfig/ne\.pc|cmake/ne/ne-[a-z-]+\.cmake)|bin/ne_(embed|score))$' || true)
[ -z "$stray" ] || { say "not expected in an installed tree: $stray"; exit 1; }
for program in "$work/moved/bin/"*; do
    [ -e "$program" ] || continue
    env -u LD_LIBRARY_PATH "$program" --version >/dev/null || { say "$program does not find its library"; exit 1; }
done
