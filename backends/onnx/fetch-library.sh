#!/bin/sh
# Fetches the ONNX Runtime shared library that goclr's onnx backend is pinned to, for this machine's CPU (x86-64 or
# arm64, Linux), into a cache outside the checkout, where FindLibrary (library.go) looks for it:
#
#   ${GOCLR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/goclr/onnxruntime-1.27.0/linux-ARCH/libonnxruntime.so.1
#
# It asks, in this order, whichever of npm, pip and curl or wget the machine has. The library's SHA-256 is pinned for
# each of them and checked before the library enters the cache. A second run only checks the cache: no network.
# It prints the library's path on standard output; everything else goes to standard error.
#
#   sh fetch-library.sh           fetch the library unless the cache has it; nothing where GOCLR_ONNXRUNTIME names one
#   sh fetch-library.sh -check    only report, by the exit status, whether there is nothing to fetch
set -eu

version=1.27.0

say() { printf 'fetch-library: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

check_only=
case $#:${1-} in
0:) ;;
1:-check) check_only=yes ;;
*) die "unknown arguments: $*; the only one is -check" ;;
esac

if [ -n "${GOCLR_ONNXRUNTIME:-}" ]; then
    [ -f "$GOCLR_ONNXRUNTIME" ] || die "GOCLR_ONNXRUNTIME names $GOCLR_ONNXRUNTIME, which is not a file"
    [ -n "$check_only" ] || echo "$GOCLR_ONNXRUNTIME"
    exit 0
fi

[ "$(uname -s)" = Linux ] ||
    die "only Linux is served; name a library of your own in GOCLR_ONNXRUNTIME"

# The three publishers build the library apart, so its bytes differ between them; an empty pin means that nobody has
# checked that publisher's library yet, and it is not used.
case $(uname -m) in
x86_64 | amd64)
    arch=amd64 npm_arch=x64 wheel_platform=manylinux_2_28_x86_64 release_arch=x64
    npm_sha256=d8aff4aa8abee8fb2abb2f2f2459ffc94461e781e41b9f7c072829dd0d470221
    wheel_sha256=b5c9d4f124d24707f514dad926dc181820807178855df1c528e3addb2dd0e6f7
    release_sha256=
    ;;
aarch64 | arm64)
    arch=arm64 npm_arch=arm64 wheel_platform=manylinux_2_28_aarch64 release_arch=aarch64
    npm_sha256=c36bc200e7e6c093b8abb0b34590fbdd8c52fd3fb5e33795b9523ffdde2fce0f
    wheel_sha256=9275ef52956228686ae47b0219f67476a1148505084bdc5571e7bf1bf69b11f2
    release_sha256=$npm_sha256 # npm's package carries the release's file
    ;;
*)
    die "no library is published for $(uname -m); name one of your own in GOCLR_ONNXRUNTIME"
    ;;
esac

cache=${GOCLR_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or GOCLR_CACHE to say where the cache is}/.cache}}
directory=$cache/goclr/onnxruntime-$version/linux-$arch
library=$directory/libonnxruntime.so.1

sha256() {
    sum=$(sha256sum "$1") || return 1
    echo "${sum%% *}"
}

if [ -f "$library" ]; then
    have=$(sha256 "$library")
    for pin in $npm_sha256 $wheel_sha256 $release_sha256; do
        if [ "$have" = "$pin" ]; then
            [ -n "$check_only" ] || echo "$library"
            exit 0
        fi
    done
    [ -n "$check_only" ] ||
        say "the cached library does not match any pinned checksum; fetching it again"
fi
[ -z "$check_only" ] || exit 1

mkdir -p "$directory" || die "cannot create the cache folder $directory; set GOCLR_CACHE to a folder you can write"

# Inside the cache, so that the final rename stays on one file system and is atomic.
work=$(mktemp -d "$directory/.fetch.XXXXXX") || die "cannot write to $directory; set GOCLR_CACHE to another folder"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM

# Each from_* leaves the library at $work/lib and returns non-zero when its publisher could not be reached.

from_npm() {
    (cd "$work" && npm pack --silent "onnxruntime-node@$version" >pack.log) || return 1
    tar -xzf "$work/onnxruntime-node-$version.tgz" -C "$work" \
        "package/bin/napi-v6/linux/$npm_arch/libonnxruntime.so.1" || return 1
    mv "$work/package/bin/napi-v6/linux/$npm_arch/libonnxruntime.so.1" "$work/lib"
}

# python_with_pip prints the first Python whose pip works; both names exist in the wild.
python_with_pip() {
    for python in python3 python; do
        if "$python" -m pip --version >/dev/null 2>&1; then
            echo "$python"
            return
        fi
    done
    return 1
}

from_pip() {
    # One fixed Python version, whatever this machine's own is: the pin is that of one wheel.
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --implementation cp --python-version 3.12 --abi cp312 --platform "$wheel_platform" \
        --dest "$work/wheel" "onnxruntime==$version" >&2 || return 1
    "$python" -m zipfile -e "$work/wheel/"*.whl "$work/wheel/unpacked" || return 1
    mv "$work/wheel/unpacked/onnxruntime/capi/libonnxruntime.so.$version" "$work/lib"
}

from_release() {
    name=onnxruntime-linux-$release_arch-$version
    url=https://github.com/microsoft/onnxruntime/releases/download/v$version/$name.tgz
    if command -v curl >/dev/null; then
        curl --fail --silent --show-error --location --retry 2 --output "$work/release.tgz" "$url" || return 1
    else
        wget --quiet --output-document="$work/release.tgz" "$url" || return 1
    fi
    tar -xzf "$work/release.tgz" -C "$work" "$name/lib/libonnxruntime.so.$version" || return 1
    mv "$work/$name/lib/libonnxruntime.so.$version" "$work/lib"
}

# keep PIN: puts the fetched library into the cache and ends the script, if it is the pinned one.
keep() {
    have=$(sha256 "$work/lib")
    if [ "$have" != "$1" ]; then
        say "refused: the library's SHA-256 is $have, pinned is $1"
        return 1
    fi
    chmod 644 "$work/lib"
    mv -f "$work/lib" "$library"
    echo "$library"
    exit 0
}

say "fetching ONNX Runtime $version for linux-$arch into $directory"
tried=
if command -v npm >/dev/null; then
    tried="$tried${tried:+,} npm"
    say "asking npm for the package onnxruntime-node"
    { from_npm && keep "$npm_sha256"; } || say "npm did not give the library"
fi
if python=$(python_with_pip); then
    tried="$tried${tried:+,} pip"
    say "asking pip for the wheel onnxruntime"
    { from_pip && keep "$wheel_sha256"; } || say "pip did not give the library"
fi
if [ -n "$release_sha256" ] && { command -v curl || command -v wget; } >/dev/null; then
    tried="$tried${tried:+,} the release archive"
    say "downloading the release archive"
    { from_release && keep "$release_sha256"; } || say "the release archive did not give the library"
fi

die "could not fetch ONNX Runtime $version (tried:${tried:- nothing, neither npm nor pip is installed}).
  Install one of these and run this script again:
    apt-get install python3-pip    (18 MB to fetch)
    apt-get install npm            (100 MB to fetch)
  or name a library that you have: export GOCLR_ONNXRUNTIME=/path/to/libonnxruntime.so.1"
