#!/usr/bin/env bash
# Shows with strace that creating an object in a directory makes exactly the system calls that the adapter promises, in
# order, and that every error and every SIGKILL at each of them has the outcome that the port's contract names.
#
# Usage: tests/foreign/local-store-strace.sh [FOLDER]
# FOLDER lies on the file system to be judged (default: a new one under $TMPDIR).
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v strace >/dev/null; then
    echo "SKIPPED: no strace"
    exit 0
fi
cargo build --quiet -p cartulaire-tests --example create_objects
program=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/examples/create_objects
work=$(mktemp -d -p "${1:-${TMPDIR:-/tmp}}")
trap 'rm -rf "$work"' EXIT
if ! strace -o /dev/null true; then
    echo "SKIPPED: strace may not trace here"
    exit 0
fi
failures=0

# Creates two objects in a new folder under strace; the second finds its folder known.
run() { # trace options...
    rm -rf "$work/site" && mkdir "$work/site"
    strace -f -y -o "$work/trace" "$@" "$program" "$work/site" >"$work/out" 2>"$work/err" || true
}

expect() { # what, expected, obtained
    if [ "$2" = "$3" ]; then
        echo "ok    $1: $3"
    else
        echo "FAIL  $1: expected '$2', obtained '$3'"
        failures=$((failures + 1))
    fi
}

# 1. The calls of the second creation: from the last nameless file to the end of its folder's sync.
run -e trace=openat,write,writev,pwrite64,fdatasync,fsync,linkat,mkdirat,unlinkat,rename,renameat,renameat2,syncfs
calls=$(grep -v '+++' "$work/trace" | awk '/O_TMPFILE/ { out = "" } { call = $2; sub(/\(.*/, "", call); if (!/ write\(1</) out = out " " call } END { print out }')
expect "one creation" " openat writev fdatasync linkat fsync" "$calls"
link=$(awk '/linkat\(/ { line = $0 } END { print (line ~ /commits>, "001.tar", AT_SYMLINK_FOLLOW\) = 0/) ? "yes" : line }' "$work/trace")
expect "it is linked to its name in its folder" yes "$link"
synced=$(awk '/ fsync\(/ { line = $0 } END { print (line ~ /site\/commits>\) *= 0/) ? "yes" : line }' "$work/trace")
expect "the folder synced is its own" yes "$synced"
parent=$(awk '/mkdirat\(.*"commits"/ { made = 1 } made && / fsync\(/ { print ($0 ~ /site>\) *= 0/) ? "yes" : $0; exit }' "$work/trace")
expect "a new folder's parent is synced before it is used" yes "$parent"
expect "opening syncs the file system" 1 "$(grep -c 'syncfs(' "$work/trace")"

# 2. Each error at each call. The numbers say which call it is: linking is tried once at opening, and the first creation
#    syncs the root as well as its folder.
inject() { # call, which, error, expected outcome of the creation it hits
    run -e trace="$1" -e inject="$1:error=$3:when=$2"
    expect "$3 at $1" "$4" "$(tail -n 1 "$work/out" | cut -d' ' -f2)"
    if [ "$4" != Unknown ]; then
        expect "  leaves nothing" no "$([ -e "$work/site/commits/001.tar" ] && echo yes || echo no)"
    fi
}
inject writev 2 ENOSPC Full
inject writev 2 EDQUOT Full
inject writev 2 EIO Unknown
inject fdatasync 2 EIO Unknown
inject fdatasync 2 ENOSPC Unknown
inject linkat 3 EIO Unknown
inject linkat 3 ENOSPC Unknown
inject linkat 3 EEXIST Exists
inject fsync 3 EIO Unknown
refused() { # error, expected outcome of the first creation
    run -e trace=mkdirat -e inject="mkdirat:error=$1:when=2"
    expect "$1 at mkdirat" "0 $2" "$(head -n 1 "$work/out")"
}
refused ENOSPC Full
refused EACCES Unreachable
refused EROFS Unreachable

# 3. SIGKILL on entry to each call, which is then not made: the object is absent or whole, and the next process creates or finds it.
killed() { # call, which, what is found
    run -e trace="$1" -e inject="$1:signal=KILL:when=$2"
    local found=absent
    if [ -e "$work/site/commits/001.tar" ]; then
        found=$([ "$(cat "$work/site/commits/001.tar")" = "two parts" ] && echo whole || echo torn)
    fi
    expect "killed at $1" "$3" "$found"
    "$program" "$work/site" >"$work/out"
    local after=Created
    [ "$found" = whole ] && after=Exists
    expect "  the next process" "0 Exists 1 $after" "$(paste -sd' ' "$work/out")"
    expect "  no draft is left" 0 "$(find "$work/site/.drafts" -type f | wc -l)"
}
killed writev 2 absent
killed fdatasync 2 absent
killed linkat 3 absent
killed fsync 3 whole

[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
echo "all as promised"
