# shellcheck shell=sh disable=SC2154 # run.sh sets the variables, and reads this file
# Parts of run.sh. What they print is the report, what goes to standard error is shown where they fail.

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

warnings() { # file: those in it, each once
    sed -n 's/^.*warning: /- warning: /p' "$1" | sort -u | head -n 20
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
    sed -n 's/^.*: \(largest error in norm.*\)/- \1/p' "$text"
    warnings "$text"
    grep -v -e '=== ' -e '--- PASS' -e 'largest error in norm' "$text" | tail -n 20 >&2
    [ "$wrong" -eq 0 ] || examine "$1"
    [ "$status" -eq 0 ] && [ "$passed" -gt 0 ] && [ "$skipped" -eq 0 ]
}

# examine takes the first test that failed again, each kernel by itself and with what cuDNN says of its calls.
examine() { # precision
    first=$(sed -n 's/^ *--- FAIL: \([^ ]*\) .*/\1/p' "$text" | awk '{ print gsub("/", "/"), $0 }' | sort -rns | head -n 1 | cut -d ' ' -f 2-)
    pattern=$(printf '%s\n' "$first" | sed -e 's/[][().+*?^$|{}\\]/\\&/g' -e 's,/,$/^,g' -e 's/^/^/' -e 's/$/$/')
    export CUDA_LAUNCH_BLOCKING=1 CUDNN_LOGLEVEL_DBG=3 CUDNN_LOGDEST_DBG="$out/cudnn-$1.log"
    within bin/conformance.test -test.v -test.run "$pattern" >"$out/failed-$1.txt" 2>&1
    unset CUDA_LAUNCH_BLOCKING CUDNN_LOGLEVEL_DBG CUDNN_LOGDEST_DBG
    printf '\n%s again, with CUDA_LAUNCH_BLOCKING=1: failed-%s.txt; what cuDNN was asked: cudnn-%s.log.\n' "$first" "$1" "$1"
}

bits() {
    many=${BIT_STEPS:-20}
    printf '    bin/pretrain -data train %s\n\n' "$network $on -precision fp32 -max-steps $many"
    rm -rf "$out/runs/first" "$out/runs/second"
    for run in first second; do
        # shellcheck disable=SC2086 # several words
        within bin/pretrain -data train -out "$out/runs/$run" $network $on -precision fp32 -max-steps "$many" >&2 || return
    done
    sums=$(cd "$out/runs" && sha256sum first/weights.safetensors second/weights.safetensors) || return
    rm -rf "$out/runs/first" "$out/runs/second"
    echo "$sums" | sed 's/^/    /'
    [ "$(echo "$sums" | cut -d ' ' -f 1 | uniq | wc -l)" -eq 1 ] || { echo "two runs of fp32 differ" >&2; return 1; }
    printf '\nTwice the same bits after %s steps of fp32.\n' "$many"
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
    for precision in ${PRECISIONS:-fp32 tf32 bf16} ${ANY_ORDER-bf16-any-order}; do
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
    printf '%s images a batch, two views each. Aimed at: images/s of goclr-cuda-bf16 at least 1.0 times those of PyTorch.\n\n' "$images"
    $python compare.py --units images/s ms/step gpu-MiB --over torch-compile-channels-last-bf16 --shares gpu-tensors-MiB cpu-ms/step \
        --rounds "$rounds" --go-on --within "$seconds" --versions "$(cat VERSION)" --commands "$@"
    status=$?
    echo
    warnings "$out/parts/$name.log"
    return "$status"
}

faults() {
    rm -rf "$out/runs/faults"
    # shellcheck disable=SC2086 # several words
    within $python faults.py "$out/runs/faults" $((deadline - $(date +%s) - 3)) $network $on -precision bf16
    status=$?
    rm -rf "$out/runs/faults"
    return "$status"
}
