#!/bin/sh
# Prints where the time of a training step goes, operator by operator, and how far each convolution is from the most that the CPU can
# do, on two threads, in Markdown.
#
#   sh benchmarks/run_attribution.sh [CASES [STEPS]]     5 steps of either case by default, after one that does not count
#
# CASES is a pattern of the shell: resnet18-32px (64 images) or resnet50-224px (16).
set -eu

cd "$(dirname "$0")"
load=$(cut -d ' ' -f 1 /proc/loadavg)
pattern=${1:-*}
steps=${2:-5}
threads=2
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
go build -buildvcs=false -o "$build/pretrain" ../cmd/pretrain
cc -O2 peers/peak.c -o "$build/peak" -lpthread

"$build/peak" $threads >>"$build/peaks"
set --
for case in resnet18-32px resnet50-224px; do
    # shellcheck disable=SC2254 # a pattern it is
    case $case in $pattern) ;; *) continue ;; esac
    case $case in
    resnet18-32px) model="-encoder resnet18 -width 1 -image-size 32 -batch 64" images=64 ;;
    resnet50-224px) model="-encoder resnet50 -width 1 -image-size 224 -batch 16" images=16 ;;
    esac
    # Views are made beside the steps: by one worker, which has nothing to do most of the time.
    flags="-data synthetic:n=$((images * (steps + 1))) $model -epochs 1 -max-steps $((steps + 1)) -threads $threads -workers 1 -tune=false"
    # shellcheck disable=SC2086 # flags are words
    "$build/pretrain" $flags -out "$build/$case" -profile-ops "$build/$case.json" >&2
    set -- "$@" "$case::pretrain $flags -profile-ops FILE::$build/$case.json"
done
[ $# -gt 0 ] || { echo "no case is called $pattern: choose of resnet18-32px and resnet50-224px" >&2; exit 2; }
"$build/peak" $threads >>"$build/peaks"
versions="$(go version | cut -d ' ' -f 3), ONNX Runtime $(sed -n 's/^const LibraryVersion = "\(.*\)"/\1/p' ../backends/onnx/library.go), $(cc --version | head -n 1)"
python3 attribute.py --peak "$build/peaks" --threads $threads --load "$load" --versions "$versions" "$@"
