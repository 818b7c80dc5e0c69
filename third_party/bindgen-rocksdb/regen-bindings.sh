#!/usr/bin/env bash
# Makes src/rocksdb_bindings.rs.txt anew with the real bindgen, for the librocksdb-sys version given:
#
#     third_party/bindgen-rocksdb/regen-bindings.sh 0.19.0+11.8.1
#
# Run it on 64-bit Linux when the workspace's rocksdb moves to another version. It needs cargo, g++, python3 with
# venv (for PyPI's libclang, where no libclang is installed) and some twenty minutes at most; the project
# itself needs none of that. Look at the difference in git before committing it.
set -euo pipefail

version=${1:?usage: regen-bindings.sh VERSION, as in Cargo.lock: 0.19.0+11.8.1}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -z "${LIBCLANG_PATH:-}" ] && ! ldconfig -p | grep -Eq "libclang(-[0-9.]+)?\.so"; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet libclang==18.1.1
    LIBCLANG_PATH=$(echo "$work"/venv/lib/python3*/site-packages/clang/native)
    export LIBCLANG_PATH
    # PyPI's libclang comes without the compiler's own headers (stddef.h).
    BINDGEN_EXTRA_CLANG_ARGS="-I$(gcc -print-file-name=include)"
    export BINDGEN_EXTRA_CLANG_ARGS
fi

# A crate whose build script makes the calls of librocksdb-sys' own, and nothing else.
mkdir -p "$work/regen/src"
cat > "$work/regen/Cargo.toml" <<EOF
[package]
name = "regen"
version = "0.0.0"
edition = "2024"
[dependencies]
bindgen = { version = "=0.72.1", default-features = false, features = ["runtime"] }
EOF
cat > "$work/regen/src/main.rs" <<'EOF'
fn main() {
    let mut paths = std::env::args().skip(1);
    let (header, output) = (paths.next().expect("header"), paths.next().expect("output"));
    bindgen::Builder::default()
        .header(header)
        .derive_debug(false)
        .blocklist_type("max_align_t")
        .ctypes_prefix("libc")
        .size_t_is_usize(true)
        .generate()
        .expect("bindgen")
        .write_to_file(output)
        .expect("output");
}
EOF

# The header, from the crate as Cargo fetches and checks it.
mkdir -p "$work/source/src"
touch "$work/source/src/lib.rs"
cat > "$work/source/Cargo.toml" <<EOF
[package]
name = "source"
version = "0.0.0"
edition = "2024"
[dependencies]
librocksdb-sys = { version = "=${version%%+*}", default-features = false }
EOF
header=$(cargo metadata --quiet --format-version 1 --manifest-path "$work/source/Cargo.toml" |
    python3 -c 'import json, os, sys
crate, = (p for p in json.load(sys.stdin)["packages"] if p["name"] == "librocksdb-sys")
assert crate["version"] == sys.argv[1], crate["version"]
print(os.path.join(os.path.dirname(crate["manifest_path"]), "rocksdb/include/rocksdb/c.h"))' "$version")

CARGO_TARGET_DIR="$work/target" cargo run --quiet --manifest-path "$work/regen/Cargo.toml" -- \
    "$header" "$here/src/rocksdb_bindings.rs.txt"
sed -i "s/^const CLIENT_VERSION: &str = .*/const CLIENT_VERSION: \&str = \"$version\";/" "$here/src/lib.rs"
git -C "$here" diff --stat -- src
echo "Now compare build_rocksdb() in the new crate's build.rs with src/unity.rs, and run the tests of both."
