#!/bin/sh
# Trains the same run with one pipeline worker, with two, and killed by SIGKILL at three random moments and resumed, and prints the
# SHA-256 of the weights that each ends with. Fails if they differ.
#
#   sh benchmarks/run_determinism.sh [SRC]     default: the procedural set
set -eu
cd "$(dirname "$0")/.."
data=${1:-synthetic:n=2000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -buildvcs=false -o "$work/pretrain" ./cmd/pretrain

train() { # name, flags...
    name=$1
    shift
    "$work/pretrain" -data "$data" -batch 64 -epochs 3 -max-steps 60 -checkpoint-every 10 -out "$work/$name" "$@" 2>>"$work/$name.log"
}

digest() { sha256sum "$work/$1/weights.safetensors" | cut -d' ' -f1; }

train one -workers 1
train two -workers 2
for kill in 1 2 3; do
    after=$(od -An -N2 -tu2 /dev/urandom | awk '{print 2 + $1 % 5000 / 1000}')
    status=0
    timeout -s KILL "$after" "$work/pretrain" -data "$data" -batch 64 -epochs 3 -max-steps 60 -checkpoint-every 10 \
        -out "$work/killed" -resume 2>>"$work/killed.log" || status=$?
    if [ $status = 137 ]; then how="killed"; else how="over"; fi
    printf 'run %s: %s after %s s, at step %s of metrics.jsonl\n' "$kill" "$how" "$after" "$(grep -c '"loss"' "$work/killed/metrics.jsonl" || true)"
done
train killed -resume

printf '%s  one worker\n%s  two workers\n%s  killed three times\n' "$(digest one)" "$(digest two)" "$(digest killed)"
[ "$(digest one)" = "$(digest two)" ] && [ "$(digest one)" = "$(digest killed)" ]
