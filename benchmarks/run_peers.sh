#!/bin/sh
# Measures goclr's data path beside other libraries', on one core and on two, all in turn; prints a table in Markdown.
#
#   sh benchmarks/run_peers.sh [ROUNDS [IMAGES]]     3 rounds of 1024 images of 224 px, and 16 times as many of 32 px, by default
#
# GOCLR_DATA names the folder of imagenet-sample.tar and cifar10-train.tar, GOCLR_PYTHON an interpreter with
# peers/requirements.txt, CORES the two cores to use (0,1).
set -eu

cd "$(dirname "$0")"
load=$(cut -d ' ' -f 1 /proc/loadavg)
rounds=${1:-3}
images=${2:-1024}
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
sed -n 's/^ *--- PASS: TestDigest\/\([^ ]*\).*/    \1/p; s/.*go:[0-9]*: /        /p' "$build/digests"
echo

set --
for set in imagenet-224 cifar10-32; do
    case $set in
    imagenet-224) archive=imagenet-sample.tar count=$images goclr="goclr goclr-max-side=400" ;;
    cifar10-32) archive=cifar10-train.tar count=$((16 * images)) goclr=goclr ;;
    esac
    for cores in 1 2; do
        if [ $cores = 1 ]; then pin="taskset -c $one" workers=0; else pin="taskset -c $two" workers=2; fi
        for subject in $goclr; do
            flags="bench ^BenchmarkDataPath\$/^$set\$/^$subject\$"
            set -- "$@" "GOMAXPROCS=$cores $pin go test ./datapath -$flags -benchtime ${count}x::env GOMAXPROCS=$cores $pin $build/datapath.test -test.run ^\$ -test.$flags -test.benchtime ${count}x"
        done
        for library in albumentations torchvision-tensor torchvision-pil lightly; do
            arguments="peers/loader.py $library $set --workers $workers --images $count"
            set -- "$@" "$pin python $arguments::$pin $python $arguments"
        done
        set -- "$@" "$pin decode $archive $set $count $cores::$pin $build/decode $GOCLR_DATA/$archive $set $count $cores"
    done
done
versions="$(go version | cut -d ' ' -f 3), system libjpeg-turbo $(pkg-config --modversion libjpeg), libvips $(pkg-config --modversion vips), $($python -c '
import platform
from importlib.metadata import version
print("Python", platform.python_version(), *(f", {name} {version(name)}" for name in (
    "albumentations", "opencv-python-headless", "torch", "torchvision", "pillow", "lightly")), sep="")')"
python3 compare.py --units images/s images/cpu-s --cores --over albumentations libjpeg-turbo-full-decode --shares flip jitter gray blur area \
    --rounds "$rounds" --load "$load" --versions "$versions" --commands "$@"
