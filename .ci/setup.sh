#!/bin/sh
# Makes a Debian or Ubuntu machine ready to build and run goclr: checks Go, installs the system packages that are
# missing and fetches the pinned ONNX Runtime library. Run again, it changes nothing; root (or sudo) is needed only
# when a package is missing.
#
#   sh .ci/setup.sh [COMMAND...]     further commands to have; each is also the name of the package that brings it
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# check_go compares the installed Go with the version in go.mod, by major and minor number.
check_go() {
    wanted=$(sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' go.mod)
    command -v go >/dev/null ||
        die "Go is not on the PATH: install Go $wanted or newer (https://go.dev/dl) and add its bin folder to PATH"
    have=$(go env GOVERSION)
    # A development version says "devel go1.26-..."; what follows the minor number does not matter.
    number=$(printf '%s\n' "$have" | sed -n 's/.*go\([0-9]*\.[0-9]*\).*/\1/p')
    [ "$(printf '%s\n' "$wanted" "$number" | sort -V | head -n 1)" = "$wanted" ] ||
        die "goclr needs Go $wanted or newer, this is $have: install a newer one (https://go.dev/dl)"
}

# missing_packages prints the packages to install, judged by what they bring and not by the package manager's word.
missing_packages() {
    command -v make >/dev/null || echo make
    command -v gcc >/dev/null || echo gcc
    # gcc alone does not bring the C library's headers.
    echo '#include <stdlib.h>' | gcc -E - >/dev/null 2>&1 || echo libc6-dev
    command -v pkg-config >/dev/null || echo pkg-config
    pkg-config --exists vips 2>/dev/null || echo libvips-dev
    pkg-config --exists libjpeg 2>/dev/null || echo libjpeg-dev
    for command in "$@"; do
        command -v "$command" >/dev/null || echo "$command"
    done
    # The library's fetcher needs a client, unless there is nothing to fetch.
    if [ -z "${GOCLR_ONNXRUNTIME:-}" ] && ! sh backends/onnx/fetch-library.sh -check &&
        ! command -v npm >/dev/null && ! python3 -m pip --version >/dev/null 2>&1; then
        echo python3-pip
    fi
}

install_packages() {
    command -v apt-get >/dev/null ||
        die "this machine has no apt-get: install these by its own package manager (Debian's names):" "$@"
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "missing packages and no sudo; as root, run: apt-get install" "$@"
        as_root=sudo
    fi
    say "installing" "$@"
    $as_root apt-get update -q >&2
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2
}

check_go
packages=$(missing_packages "$@")
if [ -n "$packages" ]; then
    # shellcheck disable=SC2086 # one argument for each package
    install_packages $packages
fi
library=$(sh backends/onnx/fetch-library.sh)
say "ready: $(go env GOVERSION), libvips $(pkg-config --modversion vips), libjpeg $(pkg-config --modversion libjpeg), $library"
