#!/bin/sh
# Prints where the CPU time of the data path goes at 224 px on one core: the 15 functions that take most, C's among them where perf
# is installed.
#
#   sh benchmarks/run_profile.sh [IMAGES]     1024 by default
#
# GOCLR_DATA names the folder of imagenet-sample.tar, CORE the core to use (0).
set -eu

cd "$(dirname "$0")"
images=${1:-1024}
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
go test -buildvcs=false -c -o "$build/datapath.test" ./datapath
# -short leaves out the run that counts what was applied.
set -- "$build/datapath.test" -test.short -test.run '^$' -test.bench '^BenchmarkDataPath$/^imagenet-224$/^goclr$' -test.benchtime "${images}x"
cd datapath
if ! command -v perf >/dev/null; then
    GOMAXPROCS=1 taskset -c "${CORE:-0}" "$@" -test.cpuprofile "$build/profile" >"$build/log" || { cat "$build/log" >&2; exit 1; }
    grep images/s "$build/log"
    exec go tool pprof -top -nodecount 15 "$build/datapath.test" "$build/profile"
fi
GOMAXPROCS=1 taskset -c "${CORE:-0}" perf record --quiet -e cpu-clock -F 997 -o "$build/profile" "$@" >"$build/log" ||
    { cat "$build/log" >&2; exit 1; }
grep images/s "$build/log"
echo
echo "| CPU time | in | function |"
echo "|--:|---|---|"
# Libraries without symbols have addresses for names: these are added up.
perf report -i "$build/profile" --stdio --no-children --sort dso,symbol 2>/dev/null |
    awk '/^ *[0-9.]+%/ {
        share = $1; dso = $2; sub(/^ *[^ ]+ +[^ ]+ +\[.\] /, ""); sub(/  .*/, "")
        if (/^0x/) $0 = "(no symbols)"
        sum[dso " | " $0] += share
    } END { for (f in sum) printf "| %.1f %% | %s |\n", sum[f], f }' |
    sort -t '|' -k 2 -rn | head -n 15
