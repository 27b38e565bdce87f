#!/usr/bin/env bash
# quickstart.sh [--full]: from a fresh copy of the sources to a picture of Fashion-MNIST, 10,000 images or with --full
# all 70,000. Installs what is missing when root; otherwise prints the one line to run. The last line is the picture.
set -euo pipefail
cd "$(dirname "$0")/.."

rows=10000
case ${1-} in
"") ;;
--full) rows=70000 ;;
*) echo "usage: examples/quickstart.sh [--full]" >&2; exit 2 ;;
esac

tests/packages.sh gcc libc6-dev make cmake pkg-config libopenblas-dev liblapacke-dev libpng-dev zlib1g-dev \
    dataset-fashion-mnist

cmake --preset release -DNE_TESTS=OFF >/dev/null
cmake --build --preset release --target ne_embed --parallel "$(nproc)"

# The data set is four files: images and labels of 60,000 to train on, then of 10,000 to test with. One IDX file holds
# all images: a header (magic number, 70,000 = 0x11170, 28 x 28), then the contents of both files behind their own headers.
# Labels are numbers; the legend shows their names.
data=$(dirname "$(dpkg -L dataset-fashion-mnist | grep '/train-images-idx3-ubyte')")
images=$data/train-images-idx3-ubyte.gz
out=build/quickstart
mkdir -p "$out"
behind_header() { gunzip -c "$2" | tail -c "+$(($1 + 1))"; }
if [ "$rows" -eq 70000 ]; then
    images=$out/images.idx
    {
        printf '\0\0\010\003\0\001\021\160\0\0\0\034\0\0\0\034'
        behind_header 16 "$data/train-images-idx3-ubyte.gz"
        behind_header 16 "$data/t10k-images-idx3-ubyte.gz"
    } >"$images"
fi
names='T-shirt,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot'
{
    behind_header 8 "$data/train-labels-idx1-ubyte.gz"
    behind_header 8 "$data/t10k-labels-idx1-ubyte.gz"
} | od -An -v -tu1 -w1 | awk -v names="$names" 'BEGIN { split(names, name, ",") } { print name[$1 + 1] }' \
    >"$out/labels.txt"

build/release/examples/ne_embed "$images" "$out/fashion_mnist.npy" --rows "$rows" --labels "$out/labels.txt" \
    --plot "$out/fashion_mnist.png"
echo "$PWD/$out/fashion_mnist.png"
