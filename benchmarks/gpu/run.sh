#!/bin/sh
# Measures goclr on the NVIDIA GPU of this machine, beside PyTorch: whether it computes right, ms and memory of training steps, losses by
# precision, and a training on CIFAR-10. Needs Python with PyTorch and torchvision, whose libraries of CUDA goclr uses.
#
#   sh run.sh OUT [SECONDS]     within 570 seconds by default
#
# It runs in the unpacked archive of bundle.sh. OUT/results.md has every figure with its command. A part that fails does not stop the
# others, but the exit status is 1. Run again with the same OUT, it keeps the parts that succeeded, and goes on with the training.
#
# Of the environment: PYTHON (python3), GOCLR_CUDA (directories of CUDA's libraries, before PyTorch's), and sizes to change:
# PRECISIONS (fp32 tf32 bf16), PEERS (precisions of PyTorch: bf16), ROUNDS and STEPS of the step times, IMAGES18 and IMAGES50 of their
# batches, CASES, EPOCHS (100) and further FLAGS of pretrain, LOSS_STEPS, BIT_STEPS, SCORE_SECONDS kept for kNN, and GROUPS_OF_TESTS, a
# pattern.
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
network="-encoder resnet18 -width 1 -batch 512 -epochs ${EPOCHS:-100}${FLAGS:+ $FLAGS}"
on="-backend gorgonia -device cuda:0"
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
    if { printf '## %s\n\n' "$name" && "$@"; } >"$out/parts/$name.part" 2>"$out/parts/$name.log"; then
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

machine() {
    cat VERSION
    printf '\n    %s\n' "$(nproc) CPUs, $(uname -sr)" "$($python -c '
import platform
print("Python", platform.python_version())
try:
    import torch, torchvision
    print("    PyTorch", torch.__version__, "with CUDA", torch.version.cuda, "and cuDNN", torch.backends.cudnn.version(), "torchvision", torchvision.__version__)
    print("    PyTorch sees", torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU")
except ImportError as e:
    print("    PyTorch cannot be used:", e)
')" "GOCLR_CUDA=$GOCLR_CUDA"
    command -v nvidia-smi >/dev/null || { echo "no nvidia-smi: is NVIDIA's driver installed? Memory of the GPU will read 0" >&2; return 1; }
    nvidia-smi -L | sed 's/^/    /'
    nvidia-smi --query-gpu=driver_version,memory.total,memory.used,utilization.gpu --format=csv | sed 's/^/    /'
}

conformance() { # precision
    pattern="^TestCUDA\$/^$1\$${GROUPS_OF_TESTS:+/$GROUPS_OF_TESTS}"
    text=$out/conformance-$1.txt
    printf '    bin/conformance.test -test.v -test.run %s\n\n' "'$pattern'"
    within bin/conformance.test -test.v -test.run "$pattern" >"$text" 2>&1
    status=$?
    passed=$(grep -c -e '--- PASS' "$text")
    wrong=$(grep -c -e '--- FAIL' "$text")
    skipped=$(grep -c -e '--- SKIP' "$text")
    printf '%s tests passed, %s failed, %s skipped, status %s: conformance-%s.txt.\n' "$passed" "$wrong" "$skipped" "$status" "$1"
    grep -v -e '=== ' -e '--- PASS' "$text" | tail -n 20 >&2
    [ "$status" -eq 0 ] && [ "$passed" -gt 0 ] && [ "$skipped" -eq 0 ]
}

train() { # run, flags; a new run
    run=$out/runs/$1
    shift
    rm -rf "$run"
    # shellcheck disable=SC2086 # several words
    within bin/pretrain -data train -out "$run" $network $on "$@" >&2
}

bits() {
    many=${BIT_STEPS:-20}
    printf '    bin/pretrain -data train %s\n\n' "$network $on -precision fp32 -max-steps $many"
    for run in first second; do
        train "bits-$run" -precision fp32 -max-steps "$many" || return
    done
    sums=$(cd "$out/runs" && sha256sum bits-first/weights.safetensors bits-second/weights.safetensors) || return
    rm -rf "$out/runs/bits-first" "$out/runs/bits-second"
    echo "$sums" | sed 's/^/    /'
    [ "$(echo "$sums" | cut -d ' ' -f 1 | uniq | wc -l)" -eq 1 ] || { echo "two runs of fp32 differ" >&2; return 1; }
    printf '\nTwice the same bits after %s steps of fp32.\n' "$many"
}

losses() {
    many=${LOSS_STEPS:-100}
    for precision in fp32 bf16; do
        printf '    bin/pretrain -data train %s\n' "$network $on -precision $precision -max-steps $many"
        train "loss-$precision" -precision "$precision" -max-steps "$many" || return
        rm -rf "$out/runs/loss-$precision/checkpoints"
    done
    echo
    $python summary.py losses "$out/runs/loss-fp32" "$out/runs/loss-bf16"
}

# step_times compares the steps of goclr and PyTorch, and again with half the batch if memory is short.
step_times() { # case, encoder, width, side, images
    case=$1 images=$5
    set -- --encoder "$2" --width "$3" --size "$4"
    while :; do
        table "$case" "$images" "$*" && return
        grep -q -e 'use a smaller batch' -e 'out of memory' -e OutOfMemory "$out/parts/$name.log" || return 1
        images=$((images / 2))
        [ "$images" -ge 2 ] || return 1
        : >"$out/parts/$name.log"
        printf '\nAgain with half the batch, since memory was short.\n\n'
    done
}

table() { # case, images, flags of torch_step.py
    case=$1 images=$2 model=$3
    set --
    for precision in ${PRECISIONS:-fp32 tf32 bf16}; do
        bench="^BenchmarkStep\$/^$case\$/^goclr-cuda-$precision\$"
        line="bin/step.test -test.run ^\$ -test.bench $bench -test.benchtime ${steps}x -images $images"
        set -- "$@" "$line::$line"
    done
    for precision in ${PEERS-bf16}; do
        line="peers/torch_step.py $model --images $images --variant compile-channels-last --device cuda --precision $precision --steps $steps"
        set -- "$@" "python3 $line::$python $line"
    done
    seconds=$((deadline - $(date +%s)))
    [ "$seconds" -gt 0 ] || { echo "no time left" >&2; return 1; }
    printf '%s images a batch, two views each.\n\n' "$images"
    $python compare.py --units images/s ms/step gpu-MiB --over torch-compile-channels-last-bf16 --shares gpu-tensors-MiB cpu-ms/step \
        --rounds "$rounds" --go-on --within "$seconds" --versions "$(cat VERSION)" --commands "$@"
}

cifar10() {
    run=$out/runs/cifar10
    printf '    bin/pretrain -resume -data train %s\n\n' "$network $on -precision bf16"
    end=$deadline
    deadline=$((deadline - ${SCORE_SECONDS:-75}))
    # shellcheck disable=SC2086 # several words
    within bin/pretrain -resume -data train -out "$run" -keep 1 $network $on -precision bf16 >&2
    status=$?
    deadline=$end
    case $status in
    0) touch "$out/cifar10.complete" ;;
    124) printf 'Stopped for lack of time: run again with the same directory to go on.\n\n' ;;
    *) return 1 ;;
    esac
    $python summary.py training "$run" || return
    printf '\n    bin/evaluate knn -run runs/cifar10 -train train -test test %s -precision bf16\n\n' "$on"
    # shellcheck disable=SC2086 # several words
    within bin/evaluate knn -run "$run" -train train -test test $on -precision bf16 >"$out/knn.txt" || return
    sed 's/^/    /' "$out/knn.txt"
    [ "$status" -eq 0 ] || return 0
    printf '\n    bin/evaluate linear -run runs/cifar10 -train train -test test %s -precision bf16\n\n' "$on"
    # shellcheck disable=SC2086 # several words
    if within bin/evaluate linear -run "$run" -train train -test test $on -precision bf16 >"$out/linear.txt"; then
        sed 's/^/    /' "$out/linear.txt"
    else
        echo "No time was left for it."
    fi
}

part machine 60 machine
for precision in ${PRECISIONS:-fp32 tf32 bf16}; do
    part "conformance-$precision" 60 conformance "$precision"
done
part same-bits 40 bits
part losses 60 losses
for case in ${CASES:-resnet18-32px resnet50-224px}; do
    case $case in
    resnet18-32px) part "step-$case" 120 step_times "$case" resnet18 1 32 "${IMAGES18:-512}" ;;
    resnet18-width0.25-32px) part "step-$case" 120 step_times "$case" resnet18 0.25 32 "${IMAGES18:-512}" ;;
    resnet50-224px) part "step-$case" 190 step_times "$case" resnet50 1 224 "${IMAGES50:-256}" ;;
    *) echo "no case $case: choose of resnet18-32px, resnet18-width0.25-32px and resnet50-224px" >&2; exit 2 ;;
    esac
done
[ -f "$out/cifar10.complete" ] || rm -f "$out/parts/cifar10.md"
part cifar10 "$limit" cifar10
report
echo "$out/results.md" >&2
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
