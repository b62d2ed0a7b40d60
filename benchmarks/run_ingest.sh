#!/bin/sh
# Measures how fast ingest writes shards, beside WebDataset's ShardWriter and litdata's optimize on the same images and cores, and prints a
# table in Markdown.
#
#   sh benchmarks/run_ingest.sh [ROUNDS]     5 by default
#
# GOCLR_DATA names the folder of cifar10-train.tar and imagenet-sample.tar. GOCLR_PYTHON names an interpreter with the packages
# webdataset and litdata. Files are read from a folder that the system has in memory by then, and written to the disk of TMPDIR.
set -eu

rounds=${1:-5}
load=$(cut -d ' ' -f 1 /proc/loadavg)
data=${GOCLR_DATA:-$(dirname "$0")/../../shared/data}
python=${GOCLR_PYTHON:?names an interpreter with webdataset and litdata}
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
data=$(cd "$data" && pwd)
cd "$(dirname "$0")"
go build -buildvcs=false -o "$build/ingest" ../cmd/ingest
set --
for set in cifar10-train imagenet-sample; do
    mkdir "$build/$set"
    tar -xf "$data/$set.tar" -C "$build/$set"
    for library in goclr webdataset litdata; do
        arguments="peers/write_dataset.py $library $set"
        program=
        [ "$library" != goclr ] || program="$build/ingest"
        set -- "$@" "python $arguments::$python $arguments $build/$set $build/out-$library $program"
    done
done
versions="$(go version | cut -d ' ' -f 3), $($python -c '
import platform
from importlib.metadata import version
print("Python", platform.python_version(), end="")
for name in "webdataset", "litdata":
    print(",", name, version(name), end="")')"
$python compare.py --units images/s s --over webdataset litdata --rounds "$rounds" --load "$load" --versions "$versions" --commands "$@"
