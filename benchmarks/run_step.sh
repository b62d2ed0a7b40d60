#!/bin/sh
# Measures goclr's training step beside PyTorch's variants, on two threads, in turn, each in a process of its own; prints a table in
# Markdown, in which the fastest of PyTorch's is marked.
#
#   sh benchmarks/run_step.sh [ROUNDS [CASES [STEPS [SUBJECTS]]]]     3 rounds of 5 steps of every case by default
#
# CASES is a pattern of the shell: resnet18-32px (64 images), resnet18-width0.25-32px (64) or resnet50-224px (16), as in 'resnet18*'.
# SUBJECTS is one too, of what trains: 'goclr*' leaves PyTorch out, and is compared with goclr-onnx; goclr-gorgonia-plain, which takes
# twenty times as long, runs only where it is named. GOCLR_PYTHON names an interpreter with peers/requirements.txt.
set -eu

cd "$(dirname "$0")"
load=$(cut -d ' ' -f 1 /proc/loadavg)
rounds=${1:-3}
pattern=${2:-*}
steps=${3:-5}
subjects=${4:-*}
goclr="goclr-onnx goclr-gorgonia goclr-onnx-standard goclr-gorgonia-plain" # subjects of step/step_test.go
torch="eager-contiguous eager-channels-last compile-contiguous compile-channels-last"
# shellcheck disable=SC2254 # a pattern it is
runs() {
    case $1 in $subjects) ;; *) return 1 ;; esac
    case $1/$subjects in goclr-gorgonia-plain/\*) return 1 ;; esac
}
peers=
for variant in $torch; do
    if runs "torch-$variant"; then peers="$peers $variant"; fi
done
python=
if [ "$peers" ]; then python=$(sh peers/python.sh); fi
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
go test -buildvcs=false -c -o "$build/step.test" ./step

set --
for case in resnet18-32px resnet18-width0.25-32px resnet50-224px; do
    # shellcheck disable=SC2254 # a pattern it is
    case $case in $pattern) ;; *) continue ;; esac
    case $case in
    resnet18-32px) model="--encoder resnet18 --images 64 --size 32" ;;
    resnet18-width0.25-32px) model="--encoder resnet18 --width 0.25 --images 64 --size 32" ;;
    resnet50-224px) model="--encoder resnet50 --images 16 --size 224" ;;
    esac
    for subject in $goclr; do
        runs "$subject" || continue
        flags="bench ^BenchmarkStep\$/^$case\$/^$subject\$"
        set -- "$@" "go test ./step -$flags -benchtime ${steps}x::$build/step.test -test.run ^\$ -test.$flags -test.benchtime ${steps}x"
    done
    for variant in $peers; do
        arguments="peers/torch_step.py $model --variant $variant --steps $steps"
        set -- "$@" "python $arguments::$python $arguments"
    done
done
[ $# -gt 0 ] || {
    echo "nothing is called $pattern, $subjects: choose of resnet18-32px, resnet18-width0.25-32px and resnet50-224px; of" $goclr "and torch-*" >&2
    exit 2
}
over="--over goclr-onnx"
versions="$(go version | cut -d ' ' -f 3), ONNX Runtime $(sed -n 's/^const LibraryVersion = "\(.*\)"/\1/p' ../backends/onnx/library.go)"
versions="$versions, Gorgonia $(go list -m -f '{{.Version}}' gorgonia.org/gorgonia), $(cc --version | head -n 1)"
if [ "$peers" ]; then
    over="--best torch"
    versions="$versions, $($python -c '
import platform, torch
print("Python", platform.python_version() + ", PyTorch", torch.__version__)')"
fi
# shellcheck disable=SC2086 # two words
python3 compare.py --units ms/step cpu-ms/step $over --shares start-MiB steps-MiB --rounds "$rounds" --load "$load" \
    --versions "$versions" --commands "$@"
