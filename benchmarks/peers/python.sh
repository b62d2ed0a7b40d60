#!/bin/sh
# Prints the path of a Python interpreter with the packages of requirements.txt: the one that GOCLR_PYTHON names, or that of
# a virtual environment in the user's cache, made at the first run (gigabytes to download). Only benchmarks and checks
# against PyTorch need it.
set -eu

if [ -n "${GOCLR_PYTHON:-}" ]; then
    echo "$GOCLR_PYTHON"
    exit 0
fi
requirements=$(dirname "$0")/requirements.txt
cache=${GOCLR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/goclr
venv=$cache/peers-$(sha256sum "$requirements" | cut -c 1-12)
if [ ! -f "$venv/complete" ]; then
    python3 -m venv --clear "$venv" >&2
    "$venv/bin/pip" install --quiet --requirement "$requirements" >&2
    touch "$venv/complete"
fi
echo "$venv/bin/python"
