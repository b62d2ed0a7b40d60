#!/bin/sh
# Measures goclr on the NVIDIA GPU of this machine, beside PyTorch: whether it computes right, ms and memory of training steps, how it
# takes faults, and a training on CIFAR-10. Needs Python with PyTorch and torchvision, whose libraries of CUDA goclr uses.
#
#   sh run.sh OUT [SECONDS]     within 570 seconds by default
#
# It runs in the unpacked archive of bundle.sh. OUT/results.md, which it prints at the end, has every figure with its command. A part that
# fails does not stop the others, but the exit status is 1. Run again with the same OUT, it keeps the parts that succeeded, and goes on
# with the training. OUT/report.tar.gz has all of OUT but the checkpoints.
#
# Of the environment: PYTHON (python3), GOCLR_CUDA (directories of CUDA's libraries, before PyTorch's), and sizes to change:
# PRECISIONS (fp32 tf32 bf16), ANY_ORDER (steps timed with -deterministic=false: bf16-any-order), PEERS (precisions of PyTorch's steps:
# bf16), ROUNDS and STEPS of the step times, IMAGES18 and IMAGES50 of their batches, CASES, GROUPS_OF_TESTS (a pattern), BIT_STEPS. Of the training: BATCH (512), EPOCHS (200), RECIPE and further FLAGS of
# pretrain; TRAIN, what is trained and for which shares of the time (bf16:5 torch:4 fp32:1); FP32_EPOCHS (20), where fp32 ends;
# CHECKPOINT_EPOCHS (5) and SCORE_EPOCHS (10) between checkpoints and those scored; SCORE_SECONDS (100) that scoring gets of each
# command; TORCH_FLAGS of peers/torch_train.py. Of the faults: ROOM and TOO_LARGE, see faults.py.
set -u

[ $# -ge 1 ] || { echo "usage: sh run.sh OUT [SECONDS]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
[ -x "$here/bin/pretrain" ] || { echo "no programs beside this script: run bundle.sh where Go is, and unpack its archive here" >&2; exit 2; }
mkdir -p "$1/parts" "$1/runs" || exit 2
out=$(cd "$1" && pwd)
began=$(date +%s)
limit=${2:-570}
cd "$here" || exit 2

python=${PYTHON:-python3}
rounds=${ROUNDS:-3} steps=${STEPS:-20}
batch=${BATCH:-512} epochs=${EPOCHS:-200} fp32_epochs=${FP32_EPOCHS:-20}
checkpoint_epochs=${CHECKPOINT_EPOCHS:-5} score_epochs=${SCORE_EPOCHS:-10}
train=${TRAIN:-bf16:5 torch:4 fp32:1}
# Plain SGD with the rate, decay and temperature that CIFAR-10 recipes for SimCLR share.
network="-encoder resnet18 -width 1 -batch $batch -epochs $epochs ${RECIPE--lr 0.24 -weight-decay 5e-4 -temperature 0.5}${FLAGS:+ $FLAGS}"
on="-backend gorgonia -device cuda:0"
rows=$(sed -n 's/^  "rows": \([0-9]*\),$/\1/p' train/manifest.json)
[ -n "$rows" ] || { echo "no shards of CIFAR-10 in $here/train: unpack the archive again" >&2; exit 2; }
epoch=$((rows / batch)) # steps
all=$((epoch * epochs))
scratch=${TMPDIR:-/tmp}/goclr-gpu-cache
export TORCHINDUCTOR_CACHE_DIR="${TORCHINDUCTOR_CACHE_DIR:-$scratch/inductor}"
export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$scratch}"
libraries=$($python - <<'PYTHON'
import glob, importlib.util, os
spec = importlib.util.find_spec("torch")
if spec:
    torch = os.path.dirname(spec.origin)
    print(":".join(sorted(glob.glob(os.path.join(os.path.dirname(torch), "nvidia", "*", "lib"))) + [os.path.join(torch, "lib")]))
PYTHON
)
export GOCLR_CUDA="${GOCLR_CUDA:+$GOCLR_CUDA:}$libraries"

failed=
order=
# part runs a function, for so many seconds at most, whose output is a part of the report.
part() { # name, seconds, function and its arguments
    name=$1 allowed=$2
    shift 2
    order="$order $name"
    [ ! -f "$out/parts/$name.md" ] || { echo "$name: done before" >&2; return; }
    left=$((began + limit - $(date +%s)))
    [ "$allowed" -le "$left" ] || allowed=$left
    if [ "$allowed" -lt 5 ]; then
        printf '## %s\n\nNo time was left: run again with the same directory.\n' "$name" >"$out/parts/$name.part"
        failed="$failed $name"
        return
    fi
    deadline=$(($(date +%s) + allowed))
    echo "$name: at most $allowed s" >&2
    : >"$out/parts/$name.log"
    if { printf '## %s\n\n' "$name" && "$@"; } >"$out/parts/$name.part" 2>>"$out/parts/$name.log"; then
        mv "$out/parts/$name.part" "$out/parts/$name.md"
    else
        printf '\nFAILED. The last it said:\n\n' >>"$out/parts/$name.part"
        tail -n 8 "$out/parts/$name.log" | cut -c 1-2000 | sed 's/^/    /' >>"$out/parts/$name.part"
        echo "$name: FAILED" >&2
        tail -n 3 "$out/parts/$name.log" | cut -c 1-600 >&2
        failed="$failed $name"
    fi
    report
}

report() {
    {
        printf '# goclr on a GPU\n\n'
        for p in $order; do
            cat "$out/parts/$p.md" 2>/dev/null || cat "$out/parts/$p.part" 2>/dev/null
            echo
        done
    } >"$out/results.md"
}

# within runs a command until the deadline of its part; pretrain then saves a checkpoint.
within() {
    seconds=$((deadline - $(date +%s)))
    [ "$seconds" -gt 0 ] || { echo "no time left for: $*" >&2; return 124; }
    timeout -s INT -k 20 "$seconds" "$@"
}

# shellcheck source=benchmarks/gpu/parts.sh
. ./parts.sh
# shellcheck source=benchmarks/gpu/training.sh
. ./training.sh

part machine 60 machine
for precision in ${PRECISIONS:-fp32 tf32 bf16}; do
    part "conformance-$precision" 90 conformance "$precision"
done
for case in ${CASES:-resnet18-32px resnet50-224px}; do
    case $case in
    resnet18-32px) part "step-$case" 120 step_times "$case" resnet18 1 32 "${IMAGES18:-512}" ;;
    resnet18-width0.25-32px) part "step-$case" 120 step_times "$case" resnet18 0.25 32 "${IMAGES18:-512}" ;;
    resnet50-224px) part "step-$case" 190 step_times "$case" resnet50 1 224 "${IMAGES50:-256}" ;;
    *) echo "no case $case: choose of resnet18-32px, resnet18-width0.25-32px and resnet50-224px" >&2; exit 2 ;;
    esac
done
part same-bits 60 bits
part faults 75 faults
[ -f "$out/training.complete" ] || rm -f "$out/parts/training.md"
part training "$limit" training
report
whole=$(mktemp)
if tar -czf "$whole" -C "$out" --exclude=./runs/\*/checkpoints --exclude=./report.tar.gz .; then
    mv "$whole" "$out/report.tar.gz"
else
    rm -f "$whole"
    failed="$failed report.tar.gz"
fi
cat "$out/results.md"
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
