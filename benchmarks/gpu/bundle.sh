#!/bin/sh
# Puts all that run.sh needs on a machine with a GPU into one archive: programs that need neither Go nor libvips nor ONNX Runtime, and
# CIFAR-10 as shards.
#
#   sh benchmarks/gpu/bundle.sh [OUT]     bundle/goclr-gpu.tar.gz in the repository's root by default, which git ignores
#
# GOCLR_DATA names the folder of cifar10-train.tar and cifar10-test.tar. An archive of more than 64 MiB is an error.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-$root/bundle/goclr-gpu.tar.gz}
data=${GOCLR_DATA:-$root/shared/data}
most=67108864
for set in train test; do
    [ -f "$data/cifar10-$set.tar" ] || { echo "no $data/cifar10-$set.tar: name its folder in GOCLR_DATA" >&2; exit 1; }
done
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
bundle=$build/goclr-gpu
mkdir -p "$bundle/bin" "$bundle/peers" "$(dirname "$out")"

export CGO_ENABLED=0
build_with() { # go build, or go test -c, and its arguments
    (cd "$root" && go "$@")
}
build_with build -tags nocloud -buildvcs=false -trimpath -ldflags '-s -w' -o "$bundle/bin/" ./cmd/pretrain ./benchmarks/stream ./benchmarks/score
build_with build -buildvcs=false -o "$build/ingest" ./cmd/ingest
build_with test -c -buildvcs=false -trimpath -ldflags '-s -w' -o "$bundle/bin/conformance.test" ./backends/gorgonia
build_with test -c -buildvcs=false -trimpath -ldflags '-s -w' -o "$bundle/bin/step.test" ./benchmarks/step
for set in train test; do
    "$build/ingest" -in "$data/cifar10-$set.tar" -out "$bundle/$set" -max-bad 0
done
for file in run.sh parts.sh training.sh faults.py runs.py summary.py curves.py; do
    cp "$root/benchmarks/gpu/$file" "$bundle/"
done
cp "$root/benchmarks/compare.py" "$bundle/"
for file in torch_step torch_train torch_model batches tensors; do
    cp "$root/benchmarks/peers/$file.py" "$bundle/peers/"
done
{
    commit=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null) || commit=unknown
    [ -z "$(git -C "$root" status --porcelain 2>/dev/null)" ] || commit="$commit with changes"
    echo "goclr $commit, $(go env GOVERSION)"
} >"$bundle/VERSION"

tar -czf "$build/bundle.tar.gz" -C "$build" goclr-gpu
size=$(wc -c <"$build/bundle.tar.gz")
[ "$size" -le "$most" ] || { echo "the bundle has $size bytes, more than $most: leave a program out, or take a part of the data" >&2; exit 1; }
mv "$build/bundle.tar.gz" "$out"
echo "$out: $size bytes; unpack it on the machine with the GPU and run: sh goclr-gpu/run.sh OUT" >&2
