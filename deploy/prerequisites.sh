#!/bin/sh
# Says what this machine lacks to build and run holdfast, and installs it where that is possible:
# on Debian and its kin, as root or with a sudo that asks for no password. Otherwise it names
# everything that is missing, with the one command that installs it, and fails.
# Changes nothing and takes a moment when nothing is missing.
set -eu
cd "$(dirname "$0")/.."

packages= # Debian packages to install
missing=  # the same, for people
manual=   # what no Debian package provides

need() { # package, what it is for
    packages="$packages $1"
    missing="$missing
  $2"
}
has() { command -v "$1" >/dev/null 2>&1; }
has_library() { has pkg-config && pkg-config --exists "$1"; }
has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    # libclang-cpp is another library: bindgen does not load it.
    for library in /usr/lib/llvm-*/lib/libclang.so* /usr/lib/llvm-*/lib/libclang-[0-9]*.so* \
        /usr/lib/*-linux-gnu/libclang.so* /usr/lib/*-linux-gnu/libclang-[0-9]*.so* /usr/lib64/libclang.so*; do
        [ -e "$library" ] && return 0
    done
    return 1
}
java_release() {
    "${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 |
        sed -n 's/.*version "\(1\.\)\{0,1\}\([0-9][0-9]*\).*/\2/p' | head -n 1
}

look() {
    packages= missing=
    has cc || need gcc "a C compiler (cc)"
    has c++ || need g++ "a C++ compiler (c++): RocksDB and librdkafka are built from source"
    has make || need make "make"
    has pkg-config || need pkg-config "pkg-config"
    has_libclang || need libclang-dev "libclang: bindings to RocksDB are generated"
    has_library openssl || need libssl-dev "the headers of OpenSSL"
    has_library zlib || need zlib1g-dev "the headers of zlib"
    release=$(java_release || true)
    [ "${release:-0}" -ge 17 ] || need default-jre-headless "Java 17 or newer: Apache Kafka runs on it"
    has mvn || need maven "Maven (mvn): it fetches Apache Kafka"
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        need python3-venv "Python 3 with venv: tests pay with the example of a Python producer"
}

# rustup puts cargo here, and a shell that was open before does not know it yet.
[ -d "$HOME/.cargo/bin" ] && PATH="$PATH:$HOME/.cargo/bin"
channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
toolchain() {
    if ! has cargo; then
        manual="Rust $channel:
  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --default-toolchain $channel"
    elif has rustup && ! rustup toolchain list | grep -q "^$channel"; then
        echo "Installing the Rust toolchain $channel ..."
        rustup toolchain install "$channel" --profile minimal --component rustfmt --component clippy ||
            manual="Rust $channel:
  rustup toolchain install $channel"
    fi
}

look
toolchain
if [ -n "$packages" ] && has apt-get; then
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif has sudo && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        as_root=none
    fi
    if [ "$as_root" != none ]; then
        echo "Installing:$packages ..."
        $as_root apt-get update -qq || true
        # shellcheck disable=SC2086 # a list of words
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages ||
            echo "apt-get could not install them." >&2
        look
    fi
fi

[ -z "$packages$manual" ] && exit 0
{
    echo "This machine lacks what holdfast is built and run with."
    if [ -n "$packages" ]; then
        echo "Missing:$missing"
        echo "On Debian or Ubuntu, as root, this installs it:"
        echo "  apt-get update && apt-get install -y$packages"
    fi
    [ -z "$manual" ] || echo "Missing: $manual"
} >&2
exit 1
