#!/usr/bin/env bash
# ne_embed.sh [BUILD_DIR]: the program as its users meet it: exit status, what it says where, which files it leaves.
# The program is $NE_EMBED, or else examples/ne_embed in BUILD_DIR. Last line: "N passed, M failed"; exit 1 on a failure.
set -u

program=${NE_EMBED:-${1:-build}/examples/ne_embed}
[ -x "$program" ] || { echo "ne_embed.sh: no program at $program" >&2; exit 2; }
program=$(realpath "$program")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2

passed=0 failed=0 name=

pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); printf 'FAILED: %s: %s\n' "$name" "$1"; }
check() { # DESCRIPTION COMMAND...: the command succeeds
    local what=$1
    shift
    if "$@"; then pass; else fail "$what"; fi
}

# run NAME STATUS ARGUMENT...: the program ends with this status; what it says is in out.txt and err.txt.
run() {
    name=$1
    local want=$2 status=0
    shift 2
    "$program" "$@" >out.txt 2>err.txt </dev/null || status=$?
    if [ "$status" -eq "$want" ]; then pass; else fail "exit status $status, not $want: $(head -c 300 err.txt)"; fi
}

# refuse NAME STATUS TEXT ARGUMENT...: one line on stderr, "ne_embed: " and TEXT in it, nothing on stdout, no new file.
refuse() {
    local label=$1 status=$2 text=$3
    shift 3
    touch out.txt err.txt before.list after.list
    find . | sort >before.list
    run "$label" "$status" "$@"
    find . | sort >after.list
    check "said: $(head -c 300 err.txt)" grep -qF -- "$text" err.txt
    check "more than one line: $(head -c 300 err.txt)" [ "$(wc -l <err.txt)" -eq 1 ]
    check "no 'ne_embed: ' before: $(head -c 300 err.txt)" grep -q '^ne_embed: ' err.txt
    check "wrote to stdout" [ ! -s out.txt ]
    check "left other files: $(comm -3 before.list after.list | tr '\n' ' ')" cmp -s before.list after.list
}

lines() { wc -l <"$1"; }
quick=(--max_iter 20 --perplexity 5)

# --- Data: 90 rows of 4 columns in three clouds, with a name and a kind each, as each of the formats

awk 'BEGIN {
    for (i = 0; i < 90; i++) {
        kind = i % 3
        printf "row %d,%s", i, kind == 0 ? "ant" : kind == 1 ? "bee" : "\"cat, \"\"big\"\"\""
        for (j = 0; j < 4; j++) printf ",%.4f", kind * 5 + sin(i * 12.9898 + j * 78.233) + cos(i * j)
        printf "\n"
    } }' >body.csv
{ echo 'name,kind,a,b,c,d'; cat body.csv; } >full.csv
awk -F, '{ print $(NF - 3) "," $(NF - 2) "," $(NF - 1) "," $NF }' body.csv >plain.csv
tr ',' '\t' <plain.csv >plain.tsv
awk '{ print NR % 3 }' plain.csv >numbers.txt
awk '{ print NR % 3 ? "in" : "out" }' plain.csv >words.txt
awk '{ printf "%.3f\n", NR / 7 }' plain.csv >slope.txt
bytes() { printf '%b' "$(printf '\\x%02x' "$@")"; }
{ bytes 0 0 8 3 0 0 0 90 0 0 0 2 0 0 0 2; for i in $(seq 360); do bytes $((i * i * 7 % 251)); done; } >images-idx3-ubyte
{ bytes 0 0 8 1 0 0 0 90; for i in $(seq 90); do bytes $((i % 3)); done; } >labels-idx1-ubyte
gzip -k images-idx3-ubyte labels-idx1-ubyte
npy() { # HEADER: a .npy file of that dictionary, without its numbers
    printf '\x93NUMPY\x01\x00'
    bytes $((${#1} % 256)) $((${#1} / 256))
    printf '%s' "$1"
}
npy_u1() { npy "{'descr': '|u1', 'fortran_order': False, 'shape': ($1, $2), }"; }
{ npy_u1 90 4; tail -c 360 images-idx3-ubyte; } >bytes.npy

# --- What works

run "csv without a header to npy" 0 plain.csv y.npy "${quick[@]}"
check "size of y.npy" [ "$(wc -c <y.npy)" -eq $((128 + 90 * 2 * 4)) ]
check "magic of y.npy" [ "$(head -c 6 y.npy | tail -c 5)" = NUMPY ]
check "stdout is empty" [ ! -s out.txt ]
check "one line at the end: $(cat err.txt)" [ "$(lines err.txt)" -eq 1 ]
check "it names shapes: $(cat err.txt)" grep -q 'tsne, 90 x 4 -> 2' err.txt
check "no control characters in a pipe" [ "$(tr -d -c '\033\r' <err.txt | wc -c)" -eq 0 ]
check "nothing beside y.npy" [ "$(find . -name 'y.npy*' | wc -l)" -eq 1 ]

run "quiet says nothing" 0 plain.csv y.npy "${quick[@]}" --quiet
check "stderr is empty: $(cat err.txt)" [ ! -s err.txt ]

run "verbose says more" 0 plain.csv y.npy "${quick[@]}" --verbose true --check_interval 5
check "lines of the library: $(cat err.txt)" [ "$(lines err.txt)" -ge 4 ]
check "all begin with the program's name" [ "$(grep -vc '^ne_embed: ' err.txt)" -eq 0 ]

run "its own npy output as input" 0 y.npy z.csv "${quick[@]}"
check "rows of z.csv" [ "$(lines z.csv)" -eq 91 ]
check "header of z.csv" [ "$(head -1 z.csv)" = x,y ]
check "all numbers" [ "$(tail -n +2 z.csv | grep -cE '^-?[0-9.e+-]+,-?[0-9.e+-]+$')" -eq 90 ]

run "the same again has the same bytes" 0 y.npy z2.csv "${quick[@]}" --threads 1
check "z2.csv differs from z.csv" cmp -s z.csv z2.csv

run "tsv" 0 plain.tsv t.csv "${quick[@]}"
run "csv" 0 plain.csv c.csv "${quick[@]}"
check "tsv and csv give the same" cmp -s t.csv c.csv
gzip -k plain.csv
run "gzipped csv" 0 plain.csv.gz g.csv "${quick[@]}"
check "gzipped and plain give the same" cmp -s g.csv c.csv

run "npy, gzipped IDX and IDX" 0 bytes.npy b.csv "${quick[@]}"
run "IDX" 0 images-idx3-ubyte i.csv "${quick[@]}"
run "gzipped IDX with labels" 0 images-idx3-ubyte.gz l.csv "${quick[@]}" --labels labels-idx1-ubyte.gz
check "npy and IDX give the same" cmp -s b.csv i.csv
check "labels are a column" [ "$(head -2 l.csv | tail -1 | cut -d, -f1)" = 1 ]
check "and change nothing else" cmp -s i.csv <(cut -d, -f2- l.csv)

run "id and label columns" 0 full.csv f.csv "${quick[@]}" --label-column kind --id-column name
check "header" [ "$(head -1 f.csv)" = id,label,x,y ]
check "first row" grep -q '^row 0,ant,' f.csv
check "quoted label" grep -q '^row 2,"cat, ""big""",' f.csv
check "same coordinates as without" cmp -s c.csv <(sed 's/.*,\([^,]*,[^,]*\)$/\1/' f.csv)

run "options with - and =" 0 plain.csv o.csv --max-iter=20 --perplexity=5
check "are those with _" cmp -s c.csv o.csv
run "options before the names" 0 --max_iter 20 --perplexity 5 -- plain.csv o.csv
check "are those after them" cmp -s c.csv o.csv
run "the default method by name" 0 plain.csv o.csv "${quick[@]}" --method tsne
check "is the default" cmp -s c.csv o.csv
run "pca as the method" 0 plain.csv p.csv --method pca
check "rows of p.csv" [ "$(lines p.csv)" -eq 91 ]

run "rows" 0 plain.csv r.csv "${quick[@]}" --rows 40 --labels numbers.txt
check "40 rows and the header" [ "$(lines r.csv)" -eq 41 ]
run "rows are the first ones" 0 full.csv r.csv "${quick[@]}" --rows 40 --id-column name --label-column kind
check "last is row 39" [ "$(tail -1 r.csv | cut -d, -f1)" = "row 39" ]

for c in 1 2 3 4; do
    run "$c components" 0 plain.csv n.csv "${quick[@]}" --n_components $c --repulsion exact --init random --plot n.png
    check "columns" [ "$(head -1 n.csv)" = "$(echo x x,y x,y,z x1,x2,x3,x4 | cut -d' ' -f$c)" ]
    check "picture" [ "$(head -c 4 n.png | tail -c 3)" = PNG ]
done

run "standardize and pca" 0 plain.csv s.csv "${quick[@]}" --standardize --pca 2
check "it names shapes: $(cat err.txt)" grep -q 'tsne, 90 x 4 -> 2 -> 2' err.txt
check "differs from without" [ "$(cmp -s s.csv c.csv; echo $?)" -eq 1 ]
sed 's/$/,7/' plain.csv >constant.csv
run "a constant column" 0 constant.csv s2.csv "${quick[@]}" --standardize
check "is noted: $(cat err.txt)" grep -q '1 column of one value, now 0' err.txt
run "is not noted when quiet" 0 constant.csv s2.csv "${quick[@]}" --standardize --quiet
check "stderr is empty: $(cat err.txt)" [ ! -s err.txt ]

run "scores" 0 plain.csv y.npy "${quick[@]}" --score --labels words.txt --quiet
for score in kl trustworthiness knn_preservation knn_accuracy knn_label_agreement; do
    check "$score is a number: $(cat out.txt)" grep -qE "^$score -?[0-9]+\.[0-9]+( |\$)" out.txt
done
run "scores of clusters" 0 plain.csv y.npy "${quick[@]}" --score silhouette,kmeans_ari --labels words.txt --quiet
check "are two lines: $(cat out.txt)" [ "$(lines out.txt)" -eq 2 ]
for score in silhouette kmeans_ari; do check "$score" grep -qE "^$score -?[0-9]\.[0-9]+" out.txt; done
run "scores by name, with =" 0 plain.csv y.npy "${quick[@]}" --score=kl --quiet
check "is one line: $(cat out.txt)" grep -qxE 'kl [0-9.]+' out.txt
run "scores without labels" 0 plain.csv y.npy "${quick[@]}" --score
check "none of labels" [ "$(grep -c knn_accuracy out.txt)" -eq 0 ]
run "scores of few rows" 0 plain.csv y.npy --max_iter 5 --perplexity 3 --rows 12 --score
check "says why some are missing" grep -q 'need more than 30 rows' out.txt

for labels in words.txt numbers.txt slope.txt; do
    for kind in png svg; do
        run "$kind with $labels" 0 plain.csv y.npy "${quick[@]}" --labels $labels --plot "$labels.$kind"
        check "is not empty" [ -s "$labels.$kind" ]
    done
    check "circles in $labels.svg" [ "$(grep -c '<circle' $labels.svg)" -ge 90 ]
done
check "legend" grep -q '>out</text>' words.txt.svg
check "scale" grep -q '>10</text>' slope.txt.svg
run "a picture again" 0 plain.csv y.npy "${quick[@]}" --labels words.txt --plot again.png
check "has the same bytes" cmp -s words.txt.png again.png
if command -v xmllint >/dev/null; then
    check "svg is well-formed" xmllint --noout words.txt.svg numbers.txt.svg slope.txt.svg
fi

# --- Several methods

run "two methods, drawn and written" 0 plain.csv two.csv "${quick[@]}" --method tsne,pca --plot two.svg --labels words.txt
check "tsne is what it is alone" cmp -s <(cut -d, -f2- two.tsne.csv) c.csv
check "pca is what it is alone" cmp -s <(cut -d, -f2- two.pca.csv) p.csv
check "no file without a method" [ ! -e two.csv ]
check "a line at the end of each: $(cat err.txt)" [ "$(lines err.txt)" -eq 2 ]
for method in tsne pca; do check "title $method" grep -q ">$method</text>" two.svg; done
check "all points, one legend" [ "$(grep -c '<circle' two.svg)" -eq 182 ]
run "scores of two methods" 0 plain.csv --plot two.png "${quick[@]}" --method tsne,pca --score knn_preservation --quiet
check "say whose they are: $(cat out.txt)" [ "$(cut -d' ' -f1,2 out.txt | tr '\n' ' ')" = "tsne knn_preservation pca knn_preservation " ]
check "picture" [ "$(head -c 4 two.png | tail -c 3)" = PNG ]
run "a picture alone" 0 plain.csv --plot alone.svg "${quick[@]}"
check "is there" grep -q '>tsne, n = 90</text>' alone.svg
run "output by name" 0 plain.csv --output named.csv "${quick[@]}"
check "is the output" cmp -s named.csv c.csv
run "help of two methods" 0 --method tsne,pca --help
check "is both" [ "$(grep -c '^Options of ' out.txt)" -eq 2 ]
run "all methods" 0 plain.csv all.npy --method all --max_iter 20 --plot all.svg --rows 60
name="all methods: a file and a panel for each"
"$program" --help | sed -n 's/^\* \([a-z_0-9]*\) .*/\1/p' >all.list
while read -r method; do
    check "$method.npy" [ -s "all.$method.npy" ]
    check "title $method" grep -q ">$method</text>" all.svg
done <all.list
check "no others" [ "$(find . -name 'all.*.npy' | wc -l)" -eq "$(lines all.list)" ]
if grep -qx cosne all.list; then check "the disk of cosne" grep -q 'fill="none" stroke-width' all.svg; fi
run "all but one" 0 plain.csv --method all --max_iter 5 --rows 60 --plot less.svg --skip "$(tail -1 all.list),tsne" --output less.npy
check "are two less" [ "$(find . -name 'less.*.npy' | wc -l)" -eq "$(($(lines all.list) - $(sort -u <(tail -1 all.list; echo tsne) | wc -l)))" ]

# --- Sparse rows, archives, and data that memory need not hold

# The same 90 rows of 6 columns, most of them 0, as text, as Matrix Market and with their zeros.
awk 'BEGIN { for (i = 0; i < 90; i++) for (j = 0; j < 6; j++) print (i * 7 + j * 11) % 5 ? 0 : i % 3 * 4 + (i * j) % 7 + 1 }' >values.txt
paste -d, - - - - - - <values.txt >zeros.csv
{ echo '%%MatrixMarket matrix coordinate integer general'; echo '% by columns'
    echo "90 6 $(grep -cv '^0$' values.txt)"
    awk '$1 { print (NR - 1) % 6 + 1, int((NR - 1) / 6) + 1, $1 }' values.txt | sort -n | awk '{ print $2, $1, $3 }'; } >sparse.mtx
{ echo '%%MatrixMarket matrix array real general'; echo '90 6'
    awk '{ print (NR - 1) % 6, NR, $1 }' values.txt | sort -n -k1,1 -k2,2 | cut -d' ' -f3; } >array.mtx
gzip -k sparse.mtx
run "rows with their zeros" 0 zeros.csv zeros.npy "${quick[@]}" --knn exact
for input in sparse.mtx sparse.mtx.gz array.mtx; do
    run "$input with --dense" 0 $input s.npy "${quick[@]}" --knn exact --dense
    check "is the same" cmp -s s.npy zeros.npy
done
run "sparse rows" 0 sparse.mtx s.npy "${quick[@]}" --method tsne --score kl
check "90 of them: $(cat err.txt)" grep -q 'tsne, 90 x 6 -> 2' err.txt
check "have a score: $(cat out.txt)" grep -qE '^kl [0-9]' out.txt
run "sparse rows, one thread" 0 sparse.mtx s1.npy "${quick[@]}" --threads 1
check "same bytes" cmp -s s.npy s1.npy
run "their principal components" 0 sparse.mtx s.csv --method pca
run "and of those with zeros" 0 zeros.csv d.csv --method pca
check "are the same to 1e-3: $(paste -d, s.csv d.csv | sed -n 2p)" \
    awk -F, 'NR > 1 && (($1 - $3) ^ 2 > 1e-6 || ($2 - $4) ^ 2 > 1e-6) { exit 1 }' <(paste -d, s.csv d.csv)
run "--pca of sparse rows, drawn with labels" 0 sparse.mtx s.csv "${quick[@]}" --pca 3 --labels numbers.txt --plot s.png
check "names shapes: $(cat err.txt)" grep -q 'tsne, 90 x 6 -> 3 -> 2' err.txt
run "scores of sparse rows" 0 sparse.mtx s.csv "${quick[@]}" --labels words.txt --score
check "some are left out: $(cat out.txt)" grep -qx 'scores that compare with the data need --dense: it is sparse' out.txt
check "those of labels are there" [ "$(grep -cE '^(kl|knn_accuracy|knn_label_agreement|silhouette|kmeans_ari) ' out.txt)" -eq 5 ]
run "scores by TorchDR's names" 0 sparse.mtx s.csv "${quick[@]}" --labels words.txt --dense \
    --score=neighborhood_preservation,silhouette_score,knn_label_accuracy,kmeans_ari
check "are four lines: $(cat out.txt)" [ "$(cut -d' ' -f1 out.txt | tr '\n' ' ')" = "knn_preservation knn_label_agreement silhouette kmeans_ari " ]
run "a sample" 0 plain.csv s.csv "${quick[@]}" --labels words.txt --score=silhouette,trustworthiness --sample 45
check "is said: $(cat out.txt)" [ "$(grep -c 'on 45 rows' out.txt)" -eq 2 ]

# --knn exact: auto searches a mapped file approximately.
run "a mapped npy" 0 y.npy m.npy "${quick[@]}" --knn exact --stream
run "and one in memory" 0 y.npy m2.npy "${quick[@]}" --knn exact
check "same bytes" cmp -s m.npy m2.npy
# Numbers that a float holds: a store has no others.
{ echo 'name,kind,a,b,c,d,e,f'; paste -d, <(sed 's/^\(row [0-9]*\),.*/\1/' body.csv) words.txt zeros.csv; } >whole.csv
for input in zeros.csv bytes.npy images-idx3-ubyte.gz whole.csv; do
    more=()
    [ $input = whole.csv ] && more=(--label-column kind --id-column name --plot m.svg)
    [ $input = bytes.npy ] && more=(--standardize --labels numbers.txt)
    run "$input in a store" 0 $input m.csv "${quick[@]}" --knn exact --stream "${more[@]}" --score
    cp out.txt streamed.txt
    run "$input in memory" 0 $input m2.csv "${quick[@]}" --knn exact "${more[@]}" --score
    check "same bytes" cmp -s m.csv m2.csv
    check "same scores" cmp -s streamed.txt out.txt
done
name="a stream of unknown length"
"$program" - m.csv "${quick[@]}" --knn exact --stream --quiet <whole.csv --label-column kind --id-column name 2>err.txt
check "as the file: $(cat err.txt)" cmp -s m.csv m2.csv
cat bytes.npy | "$program" - m.csv "${quick[@]}" --knn exact --stream --quiet
"$program" bytes.npy m2.csv "${quick[@]}" --knn exact --quiet
check "npy through a pipe" cmp -s m.csv m2.csv
run "sparse rows into a store" 0 sparse.mtx s.npy "${quick[@]}" --knn exact --dense --stream
check "are those with zeros" cmp -s s.npy zeros.npy
check "no file is left in TMPDIR" [ -z "$(mkdir -p there; TMPDIR=$PWD/there "$program" plain.csv m.csv "${quick[@]}" --stream --quiet; ls there)" ]

name="the first rows of a text that never ends"
yes 1,2,3,4,5 | awk '{ print; if (NR % 7 == 0) print "5,2,1,9," NR }' 2>/dev/null |
    timeout 60 "$program" - m.csv --rows 50 --quiet "${quick[@]}"
check "are read, and no more" [ "$(lines m.csv)" -eq 51 ]

if python3 -c 'import numpy, scipy.sparse' 2>/dev/null; then
    python3 - <<'END'
import numpy as np, scipy.sparse as sp
x = np.loadtxt("zeros.csv", delimiter=",", dtype=np.float32)
np.savez("two.npz", first=x, second=x[::-1])
np.savez_compressed("packed.npz", x)
for kind in ("csr", "csc", "coo"):
    sp.save_npz(kind + ".npz", sp.csr_matrix(x).asformat(kind))
sp.save_npz("bsr.npz", sp.csr_matrix(x).tobsr())
np.save("turned.npy", np.asfortranarray(x))
END
    for input in two.npz two.npz:first packed.npz turned.npy; do
        for stream in "" --stream; do
            run "$input $stream" 0 $input s.npy "${quick[@]}" --knn exact $stream
            check "is the array" cmp -s s.npy zeros.npy
        done
    done
    run "the other array" 0 two.npz:second s.npy "${quick[@]}" --knn exact
    check "is another" [ "$(cmp -s s.npy zeros.npy; echo $?)" -eq 1 ]
    for kind in csr csc coo; do
        run "$kind.npz" 0 $kind.npz s.npy "${quick[@]}" --knn exact --dense
        check "is the same" cmp -s s.npy zeros.npy
        run "$kind.npz, sparse" 0 $kind.npz s.npy "${quick[@]}"
        check "as from .mtx" cmp -s s.npy s1.npy
    done
    refuse "a format that is none of these" 1 "bsr.npz: a sparse matrix of format 'bsr'" bsr.npz new.csv
    refuse "a member that is not there" 1 "two.npz: has no member 'third'; its first one is first.npy" two.npz:third new.csv
else
    echo "SKIPPED: files that numpy and scipy write: they are not there"
fi

# --- Standard input, half precision, the first rows of a large file

name="standard input"
for input in plain.csv plain.tsv plain.csv.gz; do
    "$program" - in.csv "${quick[@]}" --quiet <$input 2>err.txt
    check "$input: $(cat err.txt)" cmp -s in.csv c.csv
done
cat bytes.npy | "$program" - in.csv "${quick[@]}" --quiet
check "npy through a pipe" cmp -s in.csv b.csv
"$program" plain.csv in.csv "${quick[@]}" --quiet --labels - <numbers.txt
check "labels" cmp -s <(cut -d, -f2- in.csv) c.csv
{ npy "{'descr': '<f2', 'fortran_order': False, 'shape': (90, 4), }"
    for i in $(seq 360); do bytes $((i * 37 % 256)) $((56 + i % 8)); done; } >half.npy
run "half precision" 0 half.npy half.csv "${quick[@]}"
check "rows" [ "$(lines half.csv)" -eq 91 ]
npy "{'descr': '<f4', 'fortran_order': False, 'shape': (4000000, 1000), }" >large.npy
header=$(wc -c <large.npy)
if truncate -s $((header + 16000000000)) large.npy 2>/dev/null; then
    name="rows of 16 GB"
    said=$( (ulimit -v 4000000; "$program" large.npy large.csv --rows 50 --method pca --quiet 2>&1; echo "status $?") | tail -1)
    if grep -q __asan_init "$program" || grep -q __tsan_init "$program"; then echo "SKIPPED: $name: sanitizers reserve memory"
    else check "are read alone: $said" [ "$said" = "status 0" ]; fi
    rm large.npy
fi

echo old >kept.csv
ln -s kept.csv link.csv
run "an output that exists is replaced, through a link" 0 plain.csv link.csv "${quick[@]}"
check "link stays" [ -L link.csv ]
check "file is new" cmp -s kept.csv c.csv

run "version" 0 --version
check "is one line" grep -qE '^ne_embed .*[0-9]+\.[0-9]+\.[0-9]+$' out.txt
for flag in --help -h; do
    run "general help, $flag" 0 $flag
    check "lists methods and flags" test "$(grep -cE '^[ *] (tsne|pca|--plot|--label-column|--help) ' out.txt)" -eq 5
    check "marks what all is" grep -qE '^\* tsne ' out.txt
    check "and what it is not" grep -qE '^  pca ' out.txt
    check "lists scores" grep -qE '^  silhouette ' out.txt
    check "nothing on stderr" [ ! -s err.txt ]
done
run "help of a method" 0 --method tsne --help
check "lists its options" test "$(grep -cE -- '--(perplexity|max_iter|lr) ' out.txt)" -ge 3

if command -v script >/dev/null; then # a terminal: the line is drawn, and wiped
    name="progress on a terminal"
    script -qec "$program plain.csv y.npy --max_iter 20000 --min_grad_norm 0 --perplexity 5" /dev/null >tty.txt 2>&1
    check "steps are shown" grep -q '/20000, [0-9]*%' tty.txt
    check "and wiped" grep -q "$(printf '\r\033\\[K')" tty.txt
    script -qec "$program plain.csv y.npy --max_iter 200 --perplexity 5 --quiet" /dev/null >tty.txt 2>&1
    check "quiet draws nothing" [ ! -s tty.txt ]
else
    echo "SKIPPED: progress on a terminal: there is no script(1)"
fi

for signal in INT TERM; do
    name="SIG$signal during the fit"
    set -m # so that the program does not inherit an ignored SIGINT
    "$program" plain.csv stopped.csv --max_iter 100000000 --min_grad_norm 0 --perplexity 5 --plot stopped.png \
        >out.txt 2>err.txt &
    process=$!
    set +m
    sleep 1
    kill -$signal $process
    for _ in $(seq 100); do kill -0 $process 2>/dev/null && sleep 0.1; done
    kill -KILL $process 2>/dev/null # it was deaf
    status=0
    wait $process || status=$?
    check "exit status $status: $(cat err.txt)" [ $status -eq 1 ]
    check "said: $(cat err.txt)" grep -q '^ne_embed: interrupted, .*nothing was written$' err.txt
    check "no file is left" [ -z "$(find . -name 'stopped*')" ]
done

# --- Command lines that are wrong: 2

refuse "nothing given" 2 "INPUT is missing"
refuse "one name" 2 "OUTPUT is missing" plain.csv
refuse "three names" 2 "'third' is one name too many" plain.csv new.csv third
refuse "unknown option" 2 "unknown option 'perplexty'; did you mean 'perplexity'?" plain.csv new.csv --perplexty 5
refuse "unknown flag" 2 "unknown option 'label_colum'; did you mean '--label-column'?" plain.csv new.csv --label-colum k
refuse "unknown option before missing names" 2 "unknown option 'standardise'; did you mean '--standardize'?" --standardise x
refuse "unknown method" 2 "did you mean 'tsne'?" plain.csv new.csv --method tsnee
refuse "value out of range" 2 "perplexity: 0 is outside" plain.csv new.csv --perplexity 0
refuse "value out of the range of these data" 2 "perplexity: 500 is outside" plain.csv new.csv --perplexity 500
refuse "no number" 2 "perplexity: 'many' is not a number" plain.csv new.csv --perplexity many
refuse "no whole number" 2 "max_iter" plain.csv new.csv --max_iter 1.5
refuse "no value" 2 "--perplexity: needs a value" plain.csv new.csv --perplexity
refuse "a switch with a value" 2 "--quiet: 'yes' is given, and it takes no value" plain.csv new.csv --quiet=yes
refuse "a score that is none" 2 "--score: unknown 'silhuette'; did you mean 'silhouette'?" plain.csv new.csv --score=silhuette
refuse "a score that needs labels" 1 "--score: silhouette needs labels" plain.csv new.csv --score=silhouette
refuse "a score of fractions" 1 "--score: kmeans_ari needs labels" plain.csv new.csv --score=kmeans_ari --labels slope.txt
refuse "unknown method among several" 2 "did you mean 'tsne'?" plain.csv --plot new.png --method pca,tsnee
refuse "a method twice" 2 "--method: 'pca' is named twice" plain.csv --plot new.png --method pca,tsne,pca
refuse "unknown method to skip" 2 "did you mean 'tsne'?" plain.csv --plot new.png --method all --skip tsnee
refuse "no method left" 2 "--skip: no method is left" plain.csv --plot new.png --method tsne --skip tsne
refuse "an option that no method has" 2 "unknown option 'perplexty'" plain.csv --plot new.png --method tsne,pca --perplexty 5
refuse "one of several fails" 2 "tsne: perplexity: 500 is outside" plain.csv new.csv --method pca,tsne --perplexity 500 --quiet
cp plain.csv mine.pca.csv
refuse "input as one of the outputs" 1 "mine.pca.csv: is INPUT and OUTPUT at once" mine.pca.csv mine.csv --method tsne,pca
refuse "neither output nor picture" 2 "OUTPUT is missing" plain.csv --method tsne,pca
refuse "standard input twice" 2 "--labels: standard input is INPUT already" - new.csv --labels -
refuse "standard input that is empty" 1 "standard input: is empty" - new.csv
refuse "column of an array in standard input" 1 "standard input: is empty" - new.csv --id-column name
refuse "one dash" 2 "unknown option '-x'" plain.csv new.csv -x
refuse "output of another kind" 2 "new.txt: OUTPUT ends neither in .npy nor in .csv" plain.csv new.txt
refuse "picture of another kind" 2 "new.pdf ends neither in .png nor in .svg" plain.csv new.csv --plot new.pdf
refuse "input as output" 2 "plain.csv: is INPUT and OUTPUT at once" plain.csv ./plain.csv
refuse "two sources of labels" 2 "only one of them" full.csv new.csv --labels words.txt --label-column kind
refuse "more rows than there are" 2 "--rows: 91 is above the 90 rows of plain.csv" plain.csv new.csv --rows 91
refuse "no rows" 2 "--rows: 0 is outside [1, inf)" plain.csv new.csv --rows 0
refuse "more components than columns" 2 "--pca: 5 is outside [1, 4], for data of 90 x 4" plain.csv new.csv --pca 5
refuse "threads that are no number" 2 "--threads: 'all' is not a whole number" plain.csv new.csv --threads all
refuse "label column that is not there" 2 "full.csv: no column is named 'sort'" full.csv new.csv --label-column sort
refuse "id column of an array" 2 "bytes.npy: has no named columns" bytes.npy new.csv --id-column name

# --- Files that are wrong: 1

refuse "missing input" 1 "none.csv: No such file or directory" none.csv new.csv
refuse "directory as input" 1 ".: is a directory" . new.csv
refuse "missing labels" 1 "none.txt: No such file or directory" plain.csv new.csv --labels none.txt
printf '1\n2\n' >short.txt
refuse "too few labels" 1 "short.txt: 2 labels for 90 rows of plain.csv" plain.csv new.csv --labels short.txt
{ cat words.txt; echo in; echo in; } >long.txt
refuse "too many labels" 1 "long.txt: 92 labels for 90 rows of plain.csv" plain.csv new.csv --labels long.txt
refuse "too few labels for the rows taken" 1 "short.txt: 2 labels for 9 rows" plain.csv new.csv --labels short.txt --rows 9
: >empty.csv
refuse "empty file" 1 "empty.csv: is empty" empty.csv new.csv
printf '1,2\n3,4\n5\n' >ragged.csv
refuse "ragged csv" 1 "ragged.csv: line 3: 1 columns, and line 1 has 2" ragged.csv new.csv
printf 'a,b\r\n1,2\r\n3,four\r\n' >word.csv
refuse "a word in the data" 1 "word.csv: line 3, column 2 'b': 'four' is not a number" word.csv new.csv
printf '1,2\n3,nan\n' >nan.csv
refuse "a NaN in the data" 1 "nan.csv: line 2, column 2: 'nan' is not a finite number" nan.csv new.csv
refuse "labels among the data" 1 "name it with --label-column" full.csv new.csv --id-column name
printf '1,"2\n3,4\n' >quote.csv
refuse "open quotes" 1 "quote.csv: line 1, column 2: the quotes are not closed" quote.csv new.csv
head -c 200 bytes.npy >cut.npy
refuse "npy that ends early" 1 "cut.npy: truncated" cut.npy new.csv
{ npy_u1 2000000000 2000000000; echo; } >lie.npy
refuse "npy that promises too much" 1 "lie.npy: truncated" lie.npy new.csv
{ npy "{'descr': '<c16', 'fortran_order': False, 'shape': (1, 1), }"; head -c 16 /dev/zero; } >complex.npy
refuse "npy of complex numbers" 1 "complex.npy: type '<c16' is not supported" complex.npy new.csv
{ npy "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }"; printf '\0\0\xc0\x7f\0\0\0\0'; } >nan.npy
refuse "NaN in an npy" 1 "nan.npy: row 0, column 0 (from 0): nan is not finite" nan.npy new.csv
head -c 100 images-idx3-ubyte >cut-idx3-ubyte
refuse "IDX that ends early" 1 "cut-idx3-ubyte: truncated" cut-idx3-ubyte new.csv
head -c 100 images-idx3-ubyte.gz >cut.gz
refuse "gzip that ends early" 1 "cut.gz: truncated" cut.gz new.csv
cp plain.csv plain.dat
refuse "file of another kind" 1 "plain.dat: neither .npy, .npz, IDX, .mtx, .csv nor .tsv" plain.dat new.csv
refuse "a member of what is no archive" 1 "plain.npz: No such file or directory" plain.npz:x new.csv
cp plain.csv text.npz
refuse "an archive that is none" 1 "text.npz: not a .npz file" text.npz new.csv
sed '$d' sparse.mtx >cut.mtx
refuse "Matrix Market that ends early" 1 "cut.mtx: truncated: it has" cut.mtx new.csv
sed '4s/ / 7 /' sparse.mtx >wrong.mtx
refuse "Matrix Market with another column" 1 "wrong.mtx: line 4: '" wrong.mtx new.csv
sed '4s/^[0-9]*/91/' sparse.mtx >outside.mtx
refuse "Matrix Market outside of its shape" 1 "outside.mtx: line 4: row 91, column 1 (from 1) is outside of 90 x 6" outside.mtx new.csv
refuse "sparse rows to standardize" 1 "sparse.mtx: --standardize: sparse rows would lose their zeros; give --dense too" sparse.mtx new.csv --standardize
refuse "a method that needs all numbers" 1 "kernel_pca" sparse.mtx new.csv --method kernel_pca --quiet
check "says what helps: $(cat err.txt)" grep -q -- '--dense fills in the zeros (0.0 MiB)' err.txt
refuse "a metric that sparse rows have not" 1 "--dense fills in the zeros" sparse.mtx new.csv --metric chebyshev --quiet
refuse "a score that needs the data" 1 "--score: trustworthiness needs rows that are not sparse; --dense fills in the zeros" sparse.mtx new.csv --score=trustworthiness
refuse "NaN in a mapped npy" 1 "row 0, column 0 is nan" nan.npy new.csv --stream --quiet --method pca
refuse "a mapped npy that ends early" 1 "cut.npy: truncated" cut.npy new.csv --stream
refuse "a word in a stream" 1 "word.csv: line 3, column 2 'b': 'four' is not a number" word.csv new.csv --stream
name="a store in no folder"
said=$(TMPDIR=$PWD/none "$program" plain.csv new.csv --stream --quiet 2>&1)
check "said: $said" [ "$(echo "$said" | grep -c "No such file or directory")" -eq 1 ]
refuse "output in no directory" 1 "none/new.csv: No such file or directory" plain.csv none/new.csv
refuse "picture in no directory" 1 "none/new.png: No such file or directory" plain.csv new.csv --plot none/new.png
mkdir place.csv
refuse "directory as output" 1 "place.csv: is a directory" plain.csv place.csv
if [ "$(id -u)" -ne 0 ]; then
    mkdir locked && chmod 500 locked
    refuse "output in a locked directory" 1 "locked/new.csv: Permission denied" plain.csv locked/new.csv
    cp kept.csv held.csv && chmod 400 held.csv
    refuse "output that is write-protected" 1 "held.csv: Permission denied" plain.csv held.csv
else
    echo "SKIPPED: locked directories: root may write anywhere"
fi
echo old >kept.csv
refuse "an output that exists when the fit fails" 1 "nan.csv" nan.csv kept.csv
check "is as it was" [ "$(cat kept.csv)" = old ]

name="no room for the output" # opening works and writing fails
if grep -q __tsan_init "$program"; then
    echo "SKIPPED: no room for the output: the thread sanitizer itself needs a file"
else
    # But for 1024 bytes: LLVM's OpenMP takes that much shared memory.
    said=$( (ulimit -f 1; trap '' XFSZ; "$program" plain.csv new.csv "${quick[@]}" --quiet 2>&1; echo "status $?") | cat)
    check "said: $said" [ "$said" = "ne_embed: new.csv: File too large"$'\n'"status 1" ]
    check "leaves no file" [ -z "$(find . -name 'new*')" ]
fi

name="no room for the scores"
"$program" plain.csv y.npy "${quick[@]}" --quiet --score >/dev/full 2>err.txt
check "exit status" [ $? -eq 1 ]
check "said: $(cat err.txt)" grep -q '^ne_embed: stdout: No space left on device$' err.txt

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
