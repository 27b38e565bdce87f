#!/bin/sh
# stream.sh: t-SNE of a mapped file that is larger than the memory it may use.
#
#     stream.sh PROGRAM [ROWS [COLUMNS [LIMIT_MIB [BUFFER_MIB [FOLDER]]]]]
#
# PROGRAM is bench/stream. Needs root and a memory controller, of either version. The file is made in FOLDER and deleted
# at the end. The limit holds for all pages, those of the file among them, which stay as long as nobody needs the room:
# so the peak of the group is near the limit, and "anonymous" is what the program itself takes.
set -eu
program=$1 rows=${2:-200000} columns=${3:-10700} limit=${4:-2048} buffer=${5:-512} folder=${6:-${TMPDIR:-/var/tmp}}
file=$folder/ne_stream.$$
if [ -d /sys/fs/cgroup/memory ]; then
    group=/sys/fs/cgroup/memory/ne_stream.$$ most=memory.limit_in_bytes peak=memory.max_usage_in_bytes
else
    group=/sys/fs/cgroup/ne_stream.$$ most=memory.max peak=memory.peak
fi
pid=
trap 'if [ "$pid" ]; then kill $pid 2>/dev/null || true; wait $pid || true; fi
      rm -f "$file"; rmdir "$group" 2>/dev/null || true' EXIT
trap 'exit 1' INT TERM

mkdir "$group"
echo $((limit * 1048576)) >"$group/$most"
echo "$rows x $columns, $((rows * columns * 4 / 1048576)) MiB in a file; limit $limit MiB, buffer $buffer MiB"
[ -s "$file" ] || "$program" make "$file" "$rows" "$columns"

start=$(date +%s)
sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$group" \
    "$program" mapped "$file" "$rows" "$columns" 500 $((buffer * 1048576)) &
pid=$!
anonymous=0
while kill -0 $pid 2>/dev/null; do
    now=$(awk '/^RssAnon/ { print $2 }' /proc/$pid/status 2>/dev/null || true)
    if [ "${now:-0}" -gt $anonymous ]; then anonymous=$now; fi
    sleep 0.5
done
failed=0
wait $pid || failed=$?
pid=
echo "$(($(date +%s) - start)) s in all; peak of the group $(($(cat "$group/$peak") / 1048576)) MiB," \
    "of it anonymous $((anonymous / 1024)) MiB"
exit $failed
