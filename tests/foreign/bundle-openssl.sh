#!/usr/bin/env bash
# Checks fresh proof bundles with nothing of ours but the script that they bring: verifier.sh, sha256sum and openssl. Then
# changes one byte of each file of each bundle in turn, and requires that verifier.sh says so.
#
# Usage: tests/foreign/bundle-openssl.sh [DEMO]
# DEMO is a folder that `cartulaire demo` made (default: a new one, which goes away).
set -euo pipefail
cd "$(dirname "$0")/../.."

for program in openssl xxd sha256sum unzip; do
    command -v $program >/dev/null || { echo "SKIPPED: no $program"; exit 0; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
demo=${1:-}
if [ -z "$demo" ]; then
    demo=$work/demo
    cargo run --quiet -p cartulaire-server --bin cartulaire -- demo "$demo" >"$work/log" || { cat "$work/log"; exit 1; }
fi
demo=$(realpath "$demo")
root=$demo/trust/root.pem
failures=0
done=0

expect() { # what, expected, obtained
    done=$((done + 1))
    if [ "$2" = "$3" ]; then
        echo "ok    $1: $3"
    else
        echo "FAIL  $1: expected '$2', obtained '$3'"
        failures=$((failures + 1))
    fi
}

outcome() { if "$@" >"$work/out" 2>&1; then echo accepted; else echo refused; fi; }

verifier() { (cd "$1" && outcome sh data/verifier.sh "$root" "$demo/trust/log.pub.pem"); }

# The root of the evidence tree, from a record: the lists of the reduced hash tree combine pairwise, sorted (RFC 4998 §4.3).
evidence_root() { # document, record
    local hash value
    hash=$(sha256sum <"$1" | cut -d' ' -f1)
    for value in $(openssl asn1parse -inform DER -in "$2" | awk '
        /d=4 .*cont \[ 2 \]/ { inside = 1; next } /d=4 / { inside = 0 }
        inside && /d=6 .*OCTET STRING/ { sub(/^.*HEX DUMP\]:/, ""); print tolower($0) }' | tail -n +2); do
        hash=$(printf '%s\n%s\n' "$hash" "$value" | LC_ALL=C sort | tr -d '\n' | xxd -r -p | sha256sum | cut -d' ' -f1)
    done
    echo "$hash"
}

flip() { # file, offset
    local byte
    byte=$(xxd -s "$2" -l 1 -p "$1")
    printf '%02x' $((0x$byte ^ 1)) | xxd -r -p | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

for zip in "$demo"/bundles/*.zip; do
    name=$(basename "$zip" .zip)
    name=${name%%-*}
    mkdir "$work/$name"
    expect "$name: unzip -t" accepted "$(outcome unzip -tq "$zip")"
    unzip -q "$zip" -d "$work/$name"
    bundle=$(echo "$work/$name"/*)
    expect "$name: sha256sum -c" accepted "$(cd "$bundle" && outcome sha256sum --strict --quiet -c manifest-sha256.txt)"
    expect "$name: verifier.sh" accepted "$(verifier "$bundle")"
    proof=$bundle/data/preuve
    root_hash=$(evidence_root "$proof/descriptor.json" "$proof/objets/000/record-sha256.ers")
    stamp=(openssl ts -verify -in "$proof/token-sha256.tst" -token_in -CAfile "$root")
    expect "$name: openssl ts -verify" accepted "$(outcome "${stamp[@]}" -digest "$root_hash")"
    expect "$name: openssl ts -verify, another root" refused \
        "$(outcome "${stamp[@]}" -digest "$(echo other | sha256sum | cut -d' ' -f1)")"

    while IFS= read -r file; do
        cp "$file" "$work/sound"
        flip "$file" $(($(stat -c %s "$file") / 2))
        # A changed script is no judge: the manifest's is.
        if [ "${file##*/}" = verifier.sh ]; then
            expect "$name: a byte of verifier.sh changed" refused "$(cd "$bundle" && outcome sha256sum --quiet -c manifest-sha256.txt)"
        else
            expect "$name: a byte of ${file#"$bundle"/} changed" refused "$(verifier "$bundle")"
        fi
        cp "$work/sound" "$file"
    done < <(find "$bundle" -type f | LC_ALL=C sort)
    expect "$name: verifier.sh, all put back" accepted "$(verifier "$bundle")"
done

echo "$done checks, $((done - failures)) as expected, $failures not"
[ "$failures" = 0 ]
