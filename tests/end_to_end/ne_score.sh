#!/usr/bin/env bash
# ne_score.sh [BUILD_DIR]: the program that judges an embedding: what it prints, and what it refuses. The programs are
# $NE_SCORE and $NE_EMBED, or else those of BUILD_DIR. Last line: "N passed, M failed"; exit 1 on a failure.
set -u

program=$(realpath "${NE_SCORE:-${1:-build}/examples/ne_score}")
embed=$(realpath "${NE_EMBED:-${1:-build}/examples/ne_embed}")
[ -x "$program" ] && [ -x "$embed" ] || { echo "ne_score.sh: no program at $program or $embed" >&2; exit 2; }
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
run() { # NAME STATUS ARGUMENT...
    name=$1
    local want=$2 status=0
    shift 2
    "$program" "$@" >out.txt 2>err.txt </dev/null || status=$?
    if [ "$status" -eq "$want" ]; then pass; else fail "exit status $status, not $want: $(head -c 300 err.txt)"; fi
}
refuse() { # NAME STATUS TEXT ARGUMENT...: one line on stderr with TEXT in it, nothing on stdout
    local text=$3
    run "$1" "$2" "${@:4}"
    check "said: $(head -c 300 err.txt)" grep -qF -- "$text" err.txt
    check "more than one line" [ "$(wc -l <err.txt)" -eq 1 ]
    check "wrote to stdout" [ ! -s out.txt ]
}
value() { sed -n "s/^$1 \([^ ]*\).*/\1/p" out.txt; }

awk 'BEGIN { for (i = 0; i < 90; i++) { for (j = 0; j < 4; j++)
    printf "%.4f%s", i % 3 * 5 + sin(i * 12.9898 + j * 78.233) + cos(i * j), j < 3 ? "," : "\n" } }' >plain.csv
awk '{ print NR % 3 ? "in" : "out" }' plain.csv >words.txt
awk '{ print NR / 7 }' plain.csv >slope.txt
cut -d, -f1,2 plain.csv >first.csv
paste -d, words.txt plain.csv | sed '1i kind,a,b,c,d' >full.csv
seq 90 | paste -d, - plain.csv | sed '1i name,a,b,c,d' >named.csv

run "the data itself" 0 plain.csv plain.csv --perplexity 10
for score in trustworthiness knn_preservation; do check "$score is full" [ "$(value $score)" = 1.000000 ]; done
check "kl, and of which affinity: $(cat out.txt)" grep -qE '^kl [0-9.]+ \(perplexity = 10\)$' out.txt
check "nothing of labels" [ "$(grep -cE 'accuracy|silhouette|ari' out.txt)" -eq 0 ]

run "with labels" 0 plain.csv first.csv --labels words.txt
check "has them all: $(cat out.txt)" [ "$(wc -l <out.txt)" -eq 7 ]
cp out.txt labelled.txt
run "labels from a column of the data" 0 full.csv first.csv --label-column kind
check "are the same" cmp -s out.txt labelled.txt
"$embed" plain.csv y.csv --labels words.txt --max_iter 20 --perplexity 5 --score --quiet >its.txt
run "what ne_embed wrote, with its labels" 0 plain.csv y.csv --perplexity 5
check "gives what it said: $(diff out.txt its.txt | head -4)" cmp -s <(grep -v '^kl' out.txt) <(grep -v '^kl' its.txt)
"$embed" named.csv y.csv --id-column name --labels words.txt --max_iter 20 --perplexity 5 --quiet
run "with ids too" 0 named.csv y.csv --id-column name
check "are the same scores" cmp -s <(grep -v '^kl' out.txt) <(grep -v '^kl' its.txt)
"$embed" plain.csv y.npy --max_iter 20 --perplexity 5 --quiet
run "npy" 0 plain.csv y.npy --labels words.txt
check "is the same" cmp -s <(grep -v '^kl' out.txt) <(grep -v '^kl' its.txt)
name="standard input"
"$program" - y.npy --labels words.txt <plain.csv >in.txt 2>err.txt
check "as data: $(cat err.txt)" cmp -s in.txt out.txt
"$program" plain.csv - --labels words.txt <y.npy >in.txt 2>err.txt
check "as embedding: $(cat err.txt)" cmp -s in.txt out.txt

run "some scores, another k" 0 plain.csv first.csv --labels words.txt --score knn_accuracy,silhouette --k 5
check "are those: $(cat out.txt)" [ "$(cut -d' ' -f1 out.txt | tr '\n' ' ')" = "knn_accuracy silhouette " ]
check "with this k" grep -q '(k = 5)' out.txt
run "a sample" 0 plain.csv first.csv --labels words.txt --score trustworthiness,silhouette --k 5 --sample 45
check "is said: $(cat out.txt)" [ "$(grep -cE 'on 45 rows' out.txt)" -eq 2 ]
run "one thread" 0 plain.csv first.csv --labels words.txt --threads 1
check "has the same bytes" cmp -s out.txt labelled.txt
run "rows" 0 plain.csv first.csv --rows 50 --labels words.txt
run "few rows" 0 plain.csv first.csv --rows 12
check "says what is missing" grep -q 'need more than 30 rows' out.txt
run "help" 0 --help
check "lists scores" grep -q '^  kmeans_ari ' out.txt

awk -F, '{ for (j = 1; j <= NF; j++) print NR, j, $j }' plain.csv >entries.txt
{ echo '%%MatrixMarket matrix coordinate real general'; echo "90 4 $(wc -l <entries.txt)"; cat entries.txt; } >plain.mtx
run "sparse data" 0 plain.mtx first.csv --labels words.txt
check "has all scores but two, and says so: $(cat out.txt)" cmp -s \
    <(grep -vE '^(trustworthiness|knn_preservation) ' labelled.txt) <(grep -v '^scores that compare' out.txt)
check "once" [ "$(grep -c '^scores that compare with the data need --dense: it is sparse$' out.txt)" -eq 1 ]
run "sparse data with its zeros" 0 plain.mtx first.csv --labels words.txt --dense
check "has them all" cmp -s out.txt labelled.txt
run "a sparse embedding" 0 plain.csv plain.mtx --score knn_preservation
check "is judged" [ "$(value knn_preservation)" = 1.000000 ]
run "streamed" 0 plain.csv first.csv --labels words.txt --stream
check "is the same" cmp -s out.txt labelled.txt
run "TorchDR's names" 0 plain.csv first.csv --labels words.txt \
    --score neighborhood_preservation,silhouette_score,knn_label_accuracy,kmeans_ari
check "are the scores" cmp -s out.txt <(grep -E '^(knn_preservation|silhouette|knn_label_agreement|kmeans_ari) ' labelled.txt)
refuse "a score that sparse data can't have" 1 "--score: knn_preservation needs rows that are not sparse" plain.mtx first.csv --score neighborhood_preservation

refuse "nothing given" 2 "DATA is missing"
refuse "one name" 2 "EMBEDDING is missing" plain.csv
refuse "three names" 2 "'third' is one name too many" plain.csv first.csv third
refuse "unknown option" 2 "unknown option '--lables'; did you mean '--labels'?" plain.csv first.csv --lables x
refuse "unknown score" 2 "--score: unknown 'klx'; did you mean 'kl'?" plain.csv first.csv --score klx
refuse "a perplexity that is none" 2 "--perplexity: 'x' is not a positive number" plain.csv first.csv --perplexity x
refuse "two sources of labels" 2 "only one of them" full.csv first.csv --labels words.txt --label-column kind
refuse "standard input twice" 2 "standard input can be one file only" - -
refuse "k too large" 2 "k: 90 is outside [1, n - 1] = [1, 89]" plain.csv first.csv --score knn_preservation --k 90
refuse "labels that are fractions" 1 "--score: silhouette needs labels" plain.csv first.csv --labels slope.txt --score silhouette
head -50 first.csv >short.csv
refuse "fewer rows" 1 "short.csv: 50 rows, and plain.csv has 90" plain.csv short.csv
refuse "missing file" 1 "none.csv: No such file or directory" plain.csv none.csv

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
