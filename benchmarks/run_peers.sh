#!/bin/sh
# Measures goclr's data path beside other libraries', on one core and on two, all in turn; prints a table in Markdown.
#
#   sh benchmarks/run_peers.sh [ROUNDS [IMAGES]]     3 rounds of 512 images by default
#
# IMAGES are those of 224 px that a Python library makes views of in a round; of 32 px it is 8 times as many. goclr and the decoder,
# which are faster, do twice and 64 times as many.
#
# GOCLR_DATA names the folder of imagenet-sample.tar and cifar10-train.tar, GOCLR_PYTHON an interpreter with
# peers/requirements.txt, CORES the two cores to use (0,1).
set -eu

cd "$(dirname "$0")"
load=$(cut -d ' ' -f 1 /proc/loadavg)
rounds=${1:-3}
images=${2:-512}
two=${CORES:-0,1}
one=${two%,*}
data=${GOCLR_DATA:-../../shared/data}
for file in imagenet-sample.tar cifar10-train.tar; do
    [ -f "$data/$file" ] || { echo "no $file in $data: name its folder in GOCLR_DATA" >&2; exit 1; }
done
GOCLR_DATA=$(cd "$data" && pwd)
python=$(sh peers/python.sh)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
GOCLR_RESIZED=$build/shards
export GOCLR_DATA GOCLR_RESIZED
go run -buildvcs=false ../cmd/ingest -in "$GOCLR_DATA/imagenet-sample.tar" -out "$GOCLR_RESIZED" -max-side 400 -quality 85 >&2
go test -buildvcs=false -c -o "$build/datapath.test" ./datapath
# shellcheck disable=SC2046 # flags are words
cc -O2 peers/decode.c -o "$build/decode" $(pkg-config --cflags --libs libjpeg) -lpthread

echo "Batches with one worker and with two:"
echo
"$build/datapath.test" -test.run Digest -test.v >"$build/digests" || { cat "$build/digests" >&2; exit 1; }
sed -n 's/^=== RUN *TestDigest\/\(.*\)/    \1/p; s/.*go:[0-9]*: /        /p' "$build/digests"
echo

set --
for set in imagenet-224 cifar10-32; do
    case $set in
    imagenet-224) archive=imagenet-sample.tar count=$images more=$((2 * images)) goclr="goclr goclr-max-side=400" ;;
    cifar10-32) archive=cifar10-train.tar count=$((8 * images)) more=$((64 * images)) goclr=goclr ;;
    esac
    for cores in 1 2; do
        if [ $cores = 1 ]; then pin="taskset -c $one"; else pin="taskset -c $two"; fi
        for subject in $goclr; do
            flags="bench ^BenchmarkDataPath\$/^$set\$/^$subject\$"
            set -- "$@" "GOMAXPROCS=$cores $pin go test ./datapath -$flags -benchtime ${more}x::env GOMAXPROCS=$cores $pin $build/datapath.test -test.run ^\$ -test.$flags -test.benchtime ${more}x"
        done
        for library in albumentations torchvision-tensor torchvision-pil lightly; do
            arguments="peers/loader.py $library $set --cores $cores --images $count"
            set -- "$@" "$pin python $arguments::$pin $python $arguments"
        done
        set -- "$@" "$pin decode $archive $set $more $cores::$pin $build/decode $GOCLR_DATA/$archive $set $more $cores"
    done
done
versions="$(go version | cut -d ' ' -f 3), system libjpeg-turbo $(pkg-config --modversion libjpeg), libvips $(pkg-config --modversion vips), $($python -c '
import platform
from importlib.metadata import version
print("Python", platform.python_version(), end="")
for name in "albumentations", "opencv-python-headless", "torch", "torchvision", "pillow", "lightly":
    print(",", name, version(name), end="")')"
python3 compare.py --units images/s images/cpu-s --cores --over albumentations libjpeg-turbo --shares flip jitter gray blur area \
    --rounds "$rounds" --load "$load" --versions "$versions" --commands "$@"
