#!/bin/sh
# Measures how fast all images of an S3 store on this machine are read, encoded as they are, with an empty cache and with a full one, beside
# WebDataset, litdata and MosaicML Streaming, each from shards of its own form in the same store, and prints a table in Markdown; then how
# fast ingest reads from the store, and whether a training from it has the weights of one from the disk.
#
#   sh benchmarks/run_objectstore.sh [ROUNDS]     3 by default
#
# GOCLR_PYTHON names a Python with the packages webdataset, litdata, mosaicml-streaming, boto3 and torch; GOCLR_DATA the folder of
# cifar10-train.tar and imagenet-sample.tar. WORKERS are the numbers of worker processes that the others are tried with, 0 by default:
# on two cores more of them did not pay. COPIES says how often the 500 photographs are taken, 9 by default. The store is versitygw, from the
# Go module proxy, over a folder in TMPDIR, with credentials of this run.
set -eu

server=github.com/versity/versitygw/cmd/versitygw@v1.8.0
rounds=${1:-3}
load=$(cut -d ' ' -f 1 /proc/loadavg)
data=${GOCLR_DATA:-$(dirname "$0")/../../shared/data}
data=$(cd "$data" && pwd)
python=${GOCLR_PYTHON:?names an interpreter with webdataset, litdata, mosaicml-streaming, boto3 and torch}
workers=${WORKERS:-0}
copies=${COPIES:-9}
cache=${GOCLR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/goclr
cd "$(dirname "$0")"
build=$(mktemp -d)
running=
# shellcheck disable=SC2317,SC2329 # called by the trap
end() {
    for process in $running; do kill "$process" 2>/dev/null || true; done
    rm -rf "$build"
}
trap end EXIT
trap 'exit 1' INT TERM

gateway=$cache/versitygw-${server##*@}
if [ ! -x "$gateway" ]; then
    GOBIN=$build go install "$server"
    mkdir -p "$cache"
    mv "$build/versitygw" "$gateway"
fi
for program in cmd/ingest cmd/pretrain benchmarks/objectstore benchmarks/farlink; do
    go build -buildvcs=false -o "$build/" "../$program"
done

# free prints an address that nothing listens on.
free() { $python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print("%s:%d" % s.getsockname())'; }

# await waits until something listens on an address.
await() { $python -c '
import socket, sys, time
host, port = sys.argv[1].split(":")
for _ in range(100):
    try:
        sys.exit(socket.create_connection((host, port)).close())
    except ConnectionRefusedError:
        time.sleep(0.1)
sys.exit("nothing listens on " + sys.argv[1])' "$1"; }

near=$(free)
AWS_ACCESS_KEY_ID=goclr
AWS_SECRET_ACCESS_KEY=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
AWS_REGION=us-east-1
AWS_DEFAULT_REGION=$AWS_REGION
AWS_ENDPOINT_URL=http://$near
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION AWS_DEFAULT_REGION AWS_ENDPOINT_URL
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
mkdir "$build/store"
ROOT_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID ROOT_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY \
    "$gateway" --port "$near" --quiet --keep-alive posix "$build/store" >"$build/store.log" 2>&1 &
running="$running $!"
await "$near"
far=$(free)
"$build/farlink" -listen "$far" -to "$near" -delay 20ms -rate 100 &
running="$running $!"
await "$far"
$python -c 'import boto3; boto3.client("s3").create_bucket(Bucket="images")'

put() { # SET SHARD_MIB COPIES
    mkdir "$build/$1-images"
    tar -xf "$data/$1.tar" -C "$build/$1-images"
    folder=$build/$1-images
    [ ! -d "$folder/train" ] || folder=$folder/train
    $python peers/write_store.py "$folder" "$build/$1" images "$1" "$2" "$build/ingest" "$3" >"$build/log" 2>&1 || {
        cat "$build/log" >&2
        exit 1
    }
}
put cifar10-train 8 1
put imagenet-sample 64 "$copies"

# add appends a command to those of compare.py; what it shows is without this run's folders.
commands=$build/commands
: >"$commands"
add() { # SHOWN COMMAND
    printf '%s::%s\n' "$1" "$2" >>"$commands"
}
measured="$python peers/measure_store.py"
for set in cifar10-train imagenet-sample; do
    add "objectstore -data s3://images/$set/goclr" \
        "$measured $set goclr cold,warm $build/$set/totals.json $build/cache -- $build/objectstore -data s3://images/$set/goclr -cache-dir $build/cache"
    add "objectstore -data $set/goclr" \
        "$measured $set goclr-disk cold,warm $build/$set/totals.json $build/cache -- $build/objectstore -data $build/$set/goclr"
    for peer in webdataset webdataset-uncached litdata mosaicml; do
        for n in $workers; do
            kinds=cold,warm
            [ "$peer" != webdataset-uncached ] || kinds=cold # its second epoch is as its first
            add "read_store.py $peer images $set CACHE $n" \
                "$measured $set peer:$peer:$n $kinds $build/$set/totals.json $build/cache -- $python peers/read_store.py $peer images $set $build/cache $n"
        done
    done
done
# The same from 20 ms away, by connections of 100 MB/s.
set=imagenet-sample
apart="env AWS_ENDPOINT_URL=http://$far"
add "AWS_ENDPOINT_URL=FAR objectstore -data s3://images/$set/goclr" \
    "$apart $measured $set-far goclr cold $build/$set/totals.json $build/cache -- $build/objectstore -data s3://images/$set/goclr -cache-dir $build/cache"
for peer in webdataset-uncached litdata mosaicml; do
    for n in $workers; do
        add "AWS_ENDPOINT_URL=FAR read_store.py $peer images $set CACHE $n" \
            "$apart $measured $set-far peer:$peer:$n cold $build/$set/totals.json $build/cache -- $python peers/read_store.py $peer images $set $build/cache $n"
    done
done
# Ingest, each time into an empty folder.
add_ingest() { # SET FORM LOCAL
    add "ingest -in s3://images/$1/$2" "$measured ingest-$1-$2 goclr cold $build/$1/originals.json $build/cache -- \
$build/ingest -in s3://images/$1/$2 -out $build/cache/out -max-bad 0"
    add "ingest -in $1/$2" "$measured ingest-$1-$2 goclr-disk cold $build/$1/originals.json $build/cache -- \
$build/ingest -in $3 -out $build/cache/out -max-bad 0"
}
add_ingest cifar10-train images.tar "$build/cifar10-train/images.tar"
add_ingest imagenet-sample images.tar "$build/imagenet-sample/images.tar"
add_ingest imagenet-sample images "$build/imagenet-sample-images"
add "AWS_ENDPOINT_URL=FAR ingest -in s3://images/imagenet-sample/images" \
    "$apart $measured ingest-imagenet-sample-images-far goclr cold $build/imagenet-sample/originals.json $build/cache -- \
$build/ingest -in s3://images/imagenet-sample/images -out $build/cache/out -max-bad 0"
set --
while IFS= read -r line; do set -- "$@" "$line"; done <"$commands"
versions="$(go version | cut -d ' ' -f 3), versitygw ${server##*@}, $($python -c '
import platform
from importlib.metadata import version
print("Python", platform.python_version(), end="")
for name in "webdataset", "litdata", "mosaicml-streaming", "boto3", "obstore", "torch":
    print(",", name, version(name), end="")')"
$python compare.py --units s images/s whole-s --shares MB/s --over goclr-disk --best peer --rounds "$rounds" --load "$load" --versions "$versions" --go-on --commands "$@"

# A few steps of a small encoder, from the store and from the disk.
for place in s3://images/cifar10-train/goclr "$build/cifar10-train/goclr"; do
    "$build/pretrain" -data "$place" -cache-dir "$build/train" -out "$build/run" -backend gorgonia -width 0.25 -batch 32 -max-steps 3 -eval-every 0 >&2
    printf 'weights.safetensors of pretrain -data %s: SHA-256 %s\n' "${place#"$build/"}" "$(sha256sum <"$build/run/weights.safetensors" | cut -d ' ' -f 1)"
    rm -rf "$build/run"
done
