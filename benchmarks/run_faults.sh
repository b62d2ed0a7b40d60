#!/bin/sh
# Brings about what goes wrong with collections, disks and stores, counts what comes of it, and prints a table in Markdown: SIGKILL, disks
# that are full, errors of reading, stores that fail, mutated inputs, fuzz tests. Fails if anything comes out other than it must. It takes
# half an hour on two cores, or two minutes with the flags -kills 5 -cases 1 -mutations 200; as root it mounts small disks.
#
#   sh benchmarks/run_faults.sh [FLAGS]     those of benchmarks/faults: -seed, -kills, -cases, -mutations, -only
#
# GOCLR_DATA names the folder of cifar10-train.tar, cifar10-test.tar and imagenet-sample.tar.
set -eu
data=${GOCLR_DATA:-$(dirname "$0")/../../shared/data}
data=$(cd "$data" && pwd)
cd "$(dirname "$0")/.."
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
go build -buildvcs=false -o "$build/ingest" ./cmd/ingest
go build -buildvcs=false -o "$build/faults" ./benchmarks/faults
printf '%s, %s cores, %s; load average before: %s\n\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
    "$(go version | cut -d ' ' -f 3)" "$(cut -d ' ' -f 1 /proc/loadavg)"
"$build/faults" -ingest "$build/ingest" -data "$data" "$@"
