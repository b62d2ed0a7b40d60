#!/bin/sh
# Measures goclr's data path beside torchvision's, each on one core, in turn; prints a table in Markdown.
#
#   sh benchmarks/run_datapath.sh [ROUNDS]     3 rounds by default
#
# GOCLR_DATA names the folder of imagenet-sample.tar and cifar10-train.tar, GOCLR_PYTHON an interpreter with
# peers/requirements.txt, CORE the core to use.
set -eu

cd "$(dirname "$0")"
rounds=${1:-3}
core=${CORE:-0}
data=${GOCLR_DATA:-../../shared/data}
[ -f "$data/imagenet-sample.tar" ] || { echo "no imagenet-sample.tar in $data: name its folder in GOCLR_DATA" >&2; exit 1; }
GOCLR_DATA=$(cd "$data" && pwd)
export GOCLR_DATA
python=$(sh peers/python.sh)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
go test -c -o "$build/datapath.test" ./datapath

set --
for set in imagenet-224:500 cifar10-32:2000; do
    case=${set%:*} images=${set#*:}
    set -- "$@" "GOMAXPROCS=1 taskset -c $core go test ./datapath -bench /$case -benchtime ${images}x::env GOMAXPROCS=1 taskset -c $core $build/datapath.test -test.run ^\$ -test.bench /$case\$ -test.benchtime ${images}x"
    for kind in pil pil-filter tensor; do
        # Without a blur the two kinds on Pillow images are one.
        [ "$case $kind" != "cifar10-32 pil-filter" ] || continue
        arguments="peers/torchvision_loader.py $kind $case --images $images"
        set -- "$@" "taskset -c $core python $arguments::taskset -c $core $python $arguments"
    done
done
versions="$(go version | cut -d ' ' -f 3), libvips $(pkg-config --modversion vips), $($python -c '
import PIL, platform, torch, torchvision
print("Python", platform.python_version() + ", PyTorch", torch.__version__ + ", torchvision", torchvision.__version__ + ", Pillow", PIL.__version__)')"
python3 compare.py --units images/s images/cpu-s --rounds "$rounds" --versions "$versions" --commands "$@"
