#!/bin/sh
# Trains the same encoder by goclr and by PyTorch, from the same first weights on the same batches, scores the checkpoints of both,
# plots both and prints a report in Markdown.
#
#   sh benchmarks/run_training.sh OUT STEPS [FLAGS]
#
# FLAGS are those of pretrain: sh benchmarks/run_training.sh runs/pair 7000 -width 0.5 -epochs 18 -lr 0.2 -warmup 0.5
#
# OUT gets goclr/ and torch/, directories of runs, and control/: the first CONTROL steps (20) of PyTorch again in its other layout of
# tensors, to show how far rounding alone leads. LAYOUT is that of torch/: channels-last, or contiguous. Whatever was interrupted goes on when the script is run again, with more STEPS too.
#
# GOCLR_DATA names the folder of cifar10-train.tar and cifar10-test.tar; TRAIN and TEST are other sets to use instead. Checkpoints
# are scored among LIMIT images of either (10000), the last ones among LAST (all: 0). GOCLR_PYTHON names an interpreter with
# peers/requirements.txt.
set -eu

[ $# -ge 2 ] || { echo "usage: sh benchmarks/run_training.sh OUT STEPS [FLAGS of pretrain]" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
steps=$2
shift 2
load=$(cut -d ' ' -f 1 /proc/loadavg)
data=${GOCLR_DATA:-$(dirname "$0")/../../shared/data}
train=${TRAIN:-$data/cifar10-train.tar}
test=${TEST:-$data/cifar10-test.tar}
control=${CONTROL:-20}
layout=${LAYOUT:-channels-last}
case $layout in
channels-last) other=contiguous ;;
contiguous) other=channels-last ;;
*) echo "LAYOUT=$layout: choose channels-last or contiguous" >&2; exit 2 ;;
esac
[ "$control" -le "$steps" ] || control=$steps
python=$(sh "$(dirname "$0")/peers/python.sh")
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
(cd "$(dirname "$0")" && go build -buildvcs=false -o "$build/" ../cmd/pretrain ./stream ./score)
peers=$(dirname "$0")/peers
run="$out/goclr"

"$build/pretrain" -resume -data "$train" -keep 1000000 "$@" -max-steps "$steps" -out "$run"

in_torch() { # directory, steps, layout
    from=$(readlink "$out/$1/latest" 2>/dev/null || echo step-0)
    from=${from##*step-}
    [ "$from" -lt "$2" ] || return 0
    echo "PyTorch, $3: steps $from to $2 into $out/$1" >&2
    "$build/stream" -run "$run" -from "$from" -steps "$2" |
        "$python" "$peers/torch_train.py" --first "$run/checkpoints/step-0" --out "$out/$1" --steps "$2" --layout "$3"
}
in_torch torch "$steps" "$layout"
in_torch control "$control" "$other"

scores() { # file, images, checkpoints...
    file=$1 limit=$2
    shift 2
    [ -f "$file" ] || { "$build/score" -train "$train" -test "$test" -limit "$limit" "$@" >"$file.part" && mv "$file.part" "$file"; }
}
for subject in goclr torch; do
    echo "scoring the checkpoints of $out/$subject" >&2
    scores "$out/$subject/scores-$steps.jsonl" "${LIMIT:-10000}" "$out/$subject"/checkpoints/step-*
    scores "$out/$subject/last-$steps.jsonl" "${LAST:-0}" "$out/$subject/checkpoints/step-$steps"
done
"$python" "$(dirname "$0")/plot_pair.py" "$out" "$steps" -o "$out/training.png"
echo "curves in $out/training.png" >&2
"$python" "$(dirname "$0")/report_pair.py" "$out" "$steps" --control "$control" --load "$load" --flags "$*"
