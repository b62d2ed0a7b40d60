#!/bin/sh
# Measures goclr's training step beside PyTorch's, on two threads, in turn; prints a table in Markdown.
#
#   sh benchmarks/run_step.sh [ROUNDS]     3 rounds by default
#
# GOCLR_PYTHON names an interpreter with peers/requirements.txt.
set -eu

cd "$(dirname "$0")"
rounds=${1:-3}
steps=5
python=$(sh peers/python.sh)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
go test -c -o "$build/step.test" ./step

set --
for width in 1 0.25; do
    set -- "$@" "go test ./step -bench /width$width/ -benchtime ${steps}x::$build/step.test -test.run ^\$ -test.bench /width$width\$/ -test.benchtime ${steps}x"
    for layout in contiguous channels-last; do
        arguments="peers/torch_step.py --width $width --layout $layout --steps $steps"
        set -- "$@" "python $arguments::$python $arguments"
    done
done
versions="$(go version | cut -d ' ' -f 3), ONNX Runtime $(sed -n 's/^const LibraryVersion = "\(.*\)"/\1/p' ../backends/onnx/library.go), $($python -c '
import platform, torch
print("Python", platform.python_version() + ", PyTorch", torch.__version__)')"
python3 compare.py --units ms/step cpu-ms/step --over goclr-onnx --rounds "$rounds" --versions "$versions" --commands "$@"
