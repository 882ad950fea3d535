# Sourced: the compiler for aarch64-unknown-linux-gnu, and an emulator for what it makes.
#
#   cross COMMAND...       runs cargo, or what calls it, with this compiler
#   emulated PROGRAM...    runs an aarch64 program
#
# Debian only. rustup's std for another architecture may be out of reach where only Debian's mirrors
# are; Debian's own newest compiler (rustc-web, kept new for browsers) comes with one, and so its
# version is Debian's to choose. It is unpacked beside the system.

aarch64_target=aarch64-unknown-linux-gnu
aarch64_cache=${XDG_CACHE_HOME:-$HOME/.cache}/hepar
aarch64_compiler=$aarch64_cache/aarch64
# The nearest that QEMU 7.2 has to Orin's Cortex-A78AE.
aarch64_emulator="qemu-aarch64-static -cpu cortex-a76 -L /usr/aarch64-linux-gnu"

if [ ! -x "$aarch64_compiler/usr/bin/rustc" ] || ! command -v qemu-aarch64-static >/dev/null ||
    ! command -v aarch64-linux-gnu-g++ >/dev/null; then
    [ "$(id -u)" = 0 ] || { echo "the aarch64 compiler is missing, and only root can install its parts" >&2; exit 1; }
    dpkg --print-foreign-architectures | grep -qx arm64 || dpkg --add-architecture arm64
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static >&2
    # Complete or not there: an interrupted installation is made again.
    rm -rf "$aarch64_compiler" "$aarch64_compiler.new"
    mkdir -p "$aarch64_compiler.new/deb"
    std=$(apt-cache depends libstd-rust-web-dev | awk '$1 == "Depends:" {print $2; exit}')
    llvm=$(apt-cache depends "$std" | awk '$1 == "Depends:" && $2 ~ /^libllvm/ {print $2; exit}')
    (cd "$aarch64_compiler.new/deb" && apt-get -qq -o APT::Sandbox::User=root download \
        rustc-web libstd-rust-web-dev libstd-rust-web-dev:arm64 "$std" "$llvm")
    for package in "$aarch64_compiler".new/deb/*.deb; do dpkg -x "$package" "$aarch64_compiler.new"; done
    mv "$aarch64_compiler.new" "$aarch64_compiler"
fi

# Compiler and std must be of one version, so Debian's rustc builds the host's parts, too; with a
# target directory of its own, or the two compilers throw away each other's work. It lies outside the
# checkout, so that a fresh one does not compile every dependency again.
aarch64_built=$aarch64_cache/aarch64-target
cross() {
    env LD_LIBRARY_PATH="$aarch64_compiler/usr/lib/x86_64-linux-gnu" \
        RUSTC="$aarch64_compiler/usr/bin/rustc" \
        CARGO_TARGET_DIR="$aarch64_built" \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$aarch64_emulator" \
        CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
        CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++ \
        AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar \
        "$@"
}

emulated() {
    # shellcheck disable=SC2086 # the emulator and its options
    $aarch64_emulator "$@"
}

# Cargo tells a changed file by its time, not by its folder: what another checkout left of this crate
# must not pass for ours.
if [ "$(cat "$aarch64_built/checkout" 2>/dev/null)" != "$PWD" ]; then
    rm -rf "$aarch64_built"/{,"$aarch64_target"/}{debug,release}/.fingerprint/hepar-*
    mkdir -p "$aarch64_built"
    echo "$PWD" >"$aarch64_built/checkout"
fi

# check_glibc PROGRAM: no newer glibc than the oldest system has that it must run on. Ubuntu 22.04, on
# which JetPack 6 stands, has 2.35.
check_glibc() {
    local needs
    needs=$(aarch64-linux-gnu-objdump -T "$1" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)
    echo "$1 needs $needs" >&2
    dpkg --compare-versions "${needs#GLIBC_}" le 2.35 || { echo "JetPack 6 has 2.35" >&2; return 1; }
}
