#!/bin/sh
# Measures how fast ingest writes shards, beside WebDataset's ShardWriter, litdata's optimize and FFCV's DatasetWriter on the same images and
# cores, and prints a table in Markdown.
#
#   sh benchmarks/run_ingest.sh [ROUNDS]     5 by default
#
# COPIES says under how many names each of the 500 photographs is there, 9 by default: a program that starts in 60 ms is not measured by 200.
# GOCLR_DATA names the folder of cifar10-train.tar and imagenet-sample.tar. GOCLR_PYTHON names an interpreter with the packages
# webdataset, litdata and pillow; GOCLR_FFCV_PYTHON one with ffcv and pillow, without which FFCV is left out. Files are read from a folder that the system has in memory by then, and written to the disk of TMPDIR.
set -eu

rounds=${1:-5}
load=$(cut -d ' ' -f 1 /proc/loadavg)
copies=${COPIES:-9}
data=${GOCLR_DATA:-$(dirname "$0")/../../shared/data}
python=${GOCLR_PYTHON:?names an interpreter with webdataset and litdata}
ffcv=${GOCLR_FFCV_PYTHON:-}
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
data=$(cd "$data" && pwd)
cd "$(dirname "$0")"
go build -buildvcs=false -o "$build/ingest" ../cmd/ingest
set --
for set in cifar10-train imagenet-sample; do
    mkdir "$build/$set"
    tar -xf "$data/$set.tar" -C "$build/$set"
    if [ "$set" = imagenet-sample ]; then
        find "$build/$set" -type f | while read -r file; do
            for k in $(seq 2 "$copies"); do ln "$file" "${file%.*}-$k.jpg"; done
        done
    fi
    for library in goclr goclr-header webdataset webdataset-synced webdataset-decoded litdata ${ffcv:+ffcv}; do
        arguments="peers/write_dataset.py $library $set"
        program= interpreter=$python
        case $library in
        goclr*) program="$build/ingest" ;;
        ffcv) interpreter=$ffcv ;;
        esac
        set -- "$@" "python $arguments::$interpreter $arguments $build/$set $build/out-$library $program"
    done
done
versions="$(go version | cut -d ' ' -f 3), $($python -c '
import platform
from importlib.metadata import version
print("Python", platform.python_version(), end="")
for name in "webdataset", "litdata", "pillow":
    print(",", name, version(name), end="")')"
[ -z "$ffcv" ] || versions="$versions; $($ffcv -c '
import importlib.metadata
print("ffcv", importlib.metadata.version("ffcv"))')"
$python compare.py --units images/s s --over webdataset webdataset-synced webdataset-decoded --rounds "$rounds" --load "$load" --versions "$versions" --commands "$@"
