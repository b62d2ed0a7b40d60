#!/bin/sh
# Measures what a collection of millions costs: seconds and memory of goclr's commands over an archive, a store and shards of many small
# images, which it makes. It prints a table in Markdown.
#
#   sh benchmarks/run_scale.sh [-images 10000000] [-delay 20ms] [-temp DIR]
set -eu

cd "$(dirname "$0")"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
trap 'exit 1' INT TERM
for program in cmd/ingest cmd/pretrain benchmarks/scale; do
    go build -buildvcs=false -o "$build/" "../$program"
done
echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, $(go version | cut -d ' ' -f 3); load average before: $(cut -d ' ' -f 1 /proc/loadavg)"
echo
"$build/scale" -programs "$build" "$@"
