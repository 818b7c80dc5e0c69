#!/bin/sh
# Vérifie ce dossier de preuve avec sha256sum, sha512sum, xxd, openssl et les outils POSIX ; rien de Cartulaire.
# Checks this proof bundle with sha256sum, sha512sum, xxd, openssl and POSIX tools; nothing of Cartulaire.
#
#   sh data/verifier.sh [root.pem [log.pub.pem [epoch]]]
#
#   root.pem     certificat racine de l'autorité d'horodatage, obtenu ailleurs / the authority's root, had elsewhere
#   log.pub.pem  clé publique du journal, obtenue ailleurs / the log's public key, had elsewhere
#   epoch        juger les certificats à cette date (secondes depuis 1970) / judge certificates at that time
#
# Un argument vide ('') vaut absent. Sortie 0 : tout est vérifié. Sortie 1 : au moins un contrôle a échoué.
# The SHA-512 records and token, where present, are the second, redundant evidence: cartulaire-verify checks them too.
# What each file is: docs/format.md §7 to §10 of the Cartulaire software.
# shellcheck disable=SC2329 # functions are called through "must"
set -u
LC_ALL=C
export LC_ALL

root=${1-}
key=${2-}
epoch=${3-}
failures=0

ok() { printf 'OK     %s\n' "$1"; }
ko() {
    printf 'ECHEC  %s\n' "$1"
    failures=$((failures + 1))
}
# must MESSAGE COMMAND...: the check succeeds if the command does.
must() {
    message=$1
    shift
    if "$@"; then ok "$message"; else ko "$message"; fi
}

absolute() {
    case $1 in
    '' | /*) printf '%s' "$1" ;;
    *) printf '%s/%s' "$PWD" "$1" ;;
    esac
}
root=$(absolute "$root")
key=$(absolute "$key")

for tool in sha256sum sha512sum xxd openssl awk sed split cmp find mktemp; do
    command -v "$tool" >/dev/null 2>&1 || {
        printf 'ECHEC  outil absent : %s (tool missing)\n' "$tool"
        exit 1
    }
done
cd -- "$(dirname -- "$0")/.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
proof=data/preuve

printf '%s\n' 'Contrôle du dossier de preuve / Check of the proof bundle'

# ---- Primitives ----

# Digest of standard input.
digest() { sha256sum | cut -d' ' -f1; }

# hash_lines BYTES: each line of standard input is BYTES bytes in hexadecimal; prints the SHA-256 of each, in order.
hash_lines() {
    rm -rf "$tmp/parts"
    mkdir "$tmp/parts"
    xxd -r -p | split -b "$1" -a 4 - "$tmp/parts/p"
    (cd "$tmp/parts" && sha256sum p*) | cut -d' ' -f1
}

base64_hex() { printf '%s\n' "$1" | openssl base64 -d -A | xxd -p | tr -d '\n'; }

# node LEFT RIGHT: RFC 6962 inner node.
node() { printf '01%s%s' "$1" "$2" | xxd -r -p | digest; }

# merkle_root INDEX SIZE LEAF HASH...: the root that an inclusion proof leads to (RFC 9162 §2.1.3.2), or nothing.
merkle_root() {
    at=$1 last=$(($2 - 1)) hash=$3
    [ "$at" -le "$last" ] || return 0
    shift 3
    for sibling in "$@"; do
        [ "$last" -gt 0 ] && [ ${#sibling} -eq 64 ] || return 0
        case $sibling in
        *[!0-9a-f]*) return 0 ;;
        esac
        if [ $((at % 2)) -eq 1 ] || [ "$at" -eq "$last" ]; then
            hash=$(node "$sibling" "$hash")
            while [ $((at % 2)) -eq 0 ] && [ "$at" -gt 0 ]; do
                at=$((at / 2)) last=$((last / 2))
            done
        else
            hash=$(node "$hash" "$sibling")
        fi
        at=$((at / 2)) last=$((last / 2))
    done
    [ "$last" -gt 0 ] || printf '%s' "$hash"
}

# ---- 1. The bag is whole: nothing missing, nothing altered, nothing added ----

# manifest FILE TOOL: compares what is there with what the manifest says, and names what differs.
manifest() {
    find data -type f -exec "$2" {} + | sort >"$tmp/found"
    # BagIt writes the percent sign as %25.
    sed 's/%25/%/g' "$1" 2>/dev/null | sort >"$tmp/declared"
    if cmp -s "$tmp/found" "$tmp/declared"; then
        ok "$1 : dossier complet et intact (complete and unaltered)"
        return
    fi
    ko "$1 : fichier absent, modifié ou ajouté (missing, altered or added):"
    differing "$tmp/found" "$tmp/declared"
}
# differing FILE FILE: the paths whose lines are not in both.
differing() { sort "$1" "$2" | uniq -u | sed 's/^[^ ]*  /         /' | sort -u; }
manifest manifest-sha512.txt sha512sum
manifest manifest-sha256.txt sha256sum
# From here on: found has the digests of the files as they are.
cp "$tmp/found" "$tmp/sums"
sha256sum bagit.txt bag-info.txt manifest-sha256.txt manifest-sha512.txt >"$tmp/tags" 2>/dev/null
must 'tagmanifest-sha256.txt : bordereaux intacts (manifests unaltered)' cmp -s "$tmp/tags" tagmanifest-sha256.txt
differing "$tmp/tags" tagmanifest-sha256.txt

# digest_of PATH: digest of a payload file as it is.
digest_of() { path=$1 awk 'substr($0, 67) == ENVIRON["path"] { print substr($0, 1, 64) }' "$tmp/sums"; }

# ---- 2. The log: the deposit's entry is in it, and its key signed it ----

sed '/^$/,$d' "$proof/checkpoint.txt" >"$tmp/text"
must 'point de contrôle : texte et note signée concordent (checkpoint text and note agree)' \
    cmp -s "$tmp/text" "$proof/checkpoint-body.txt"
origin=$(sed -n 1p "$proof/checkpoint-body.txt")
size=$(sed -n 2p "$proof/checkpoint-body.txt")
expected=$(base64_hex "$(sed -n 3p "$proof/checkpoint-body.txt")")
[ ${#expected} -eq 64 ] || expected=none
case $size in
'' | *[!0-9]* | ????????????????????*) size=0 ;;
esac

leaf=$({ printf '\000'; cat "$proof/leaf.txt"; } | digest)
sequence=$(sed -n 's/^.*"prev":[^,]*,"seq":\([0-9]*\),"subject":.*$/\1/p' "$proof/leaf.txt")
sed -n '1,/^$/p' "$proof/piece.tlog-proof" >"$tmp/path"
index=$(sed -n '2s/^index \([0-9]*\)$/\1/p' "$tmp/path")
hashes=$(sed -n '3,$p' "$tmp/path" | while IFS= read -r line; do
    [ -z "$line" ] || { base64_hex "$line"; printf ' '; }
done)
of_this_entry() {
    [ "$(sed -n 1p "$tmp/path")" = 'c2sp.org/tlog-proof@v1' ] && [ -n "$index" ] && [ "$index" = "$sequence" ] &&
        sed '1,/^$/d' "$proof/piece.tlog-proof" | cmp -s - "$proof/checkpoint.txt"
}
must "preuve d'inscription : ligne ${index:-?} du journal, même point de contrôle (inclusion proof is of this entry)" \
    of_this_entry
# shellcheck disable=SC2086 # a list of hexadecimal values
found=$(merkle_root "${index:-1}" "$size" "$leaf" $hashes)
must "inscription : l'arbre de Merkle recalculé donne la racine signée (entry is in the log)" [ "$found" = "$expected" ]

extracted=0
while IFS= read -r line <&3 && IFS= read -r path <&4; do
    number=$(printf '%s\n' "$path" | sed -n 's/^.*\],"seq":\([0-9]*\)}$/\1/p')
    hashes=$(printf '%s\n' "$path" | sed 's/^{"proof":\[//; s/\],"seq".*$//' | tr -d '"' | tr ',' ' ')
    entry=$({ printf '\000'; printf '%s' "$line"; } | digest)
    # shellcheck disable=SC2086 # a list of hexadecimal values
    found=$(merkle_root "${number:-1}" "$size" "$entry" $hashes)
    if [ "$found" != "$expected" ]; then
        extracted=-1
        break
    fi
    extracted=$((extracted + 1))
done 3<"$proof/journal-extract.jsonl" 4<"$proof/journal-extract.proofs.jsonl"
extract_is_whole() {
    [ "$extracted" -gt 0 ] && [ "$extracted" -eq "$(($(wc -l <"$proof/journal-extract.jsonl")))" ] &&
        [ "$extracted" -eq "$(($(wc -l <"$proof/journal-extract.proofs.jsonl")))" ]
}
must "extrait du journal : chaque ligne est dans l'arbre signé (every entry of the extract is in the log)" extract_is_whole

if [ -z "$key" ]; then
    given_key=no
    key=data/pki/log.pub.pem
else
    given_key=yes
fi
# signed NOTE NAME: whether the note's text is signed by the log's key.
signed() {
    sed '/^$/,$d' "$1" >"$tmp/text"
    signature=$(awk -v name="$2" '$1 == "\342\200\224" && $2 == name { print $3; exit }' "$1")
    printf '%s\n' "$signature" | openssl base64 -d -A | tail -c 64 >"$tmp/signature"
    openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$tmp/text" -sigfile "$tmp/signature" >"$tmp/log" 2>&1
}
must "signature du point de contrôle par « $origin » (checkpoint's Ed25519 signature)" signed "$proof/checkpoint.txt" "$origin"
grep -q -i 'rawin' "$tmp/log" && printf '%s\n' '         openssl 3 est nécessaire pour Ed25519 (openssl 3 is needed)'
receipt_is_ours() { signed "$proof/receipt.txt" "$origin" && grep -q "\"entry\":\"$leaf\"," "$proof/receipt.txt"; }
must 'accusé de dépôt : signé, et de cette inscription (receipt is signed and of this entry)' receipt_is_ours

# ---- 3. The documents: descriptor, commitments of the entry ----

# A quote inside a JSON string is always escaped, so what is cut at here is never inside one.
awk '{
    start = index($0, "\"files\":["); end = index($0, "],\"metadata\":{")
    files = substr($0, start + 9, end - start - 9)
    gsub(/},[{]"blake3":"/, "}\n{\"blake3\":\"", files)
    print files
}' "$proof/descriptor.json" >"$tmp/described"
hex='[0-9a-f]*'
sed -n "s/^{\"blake3\":\"$hex\",\"media_type\":\".*\",\"name\":\"\([^\"]*\)\",\"role\":\"[a-z]*\",\"sha256\":\"\($hex\)\",[^}]*\"size\":\([0-9]*\)}\$/\2 \3 \1/p" \
    "$tmp/described" >"$tmp/files"
archive=$(sed -n 's/^{"archive":"\([0-9a-f-]*\)",.*$/\1/p' "$proof/descriptor.json")
count=$(($(wc -l <"$tmp/files")))
descriptor_is_ours() {
    [ "$count" -gt 0 ] && [ "$(($(wc -l <"$tmp/described")))" -eq "$count" ] &&
        [ -n "$archive" ] && grep -q "\"subject\":\"archive:$archive\"," "$proof/leaf.txt"
}
must "fiche descriptive : lisible, de l'archive $archive inscrite au journal (descriptor is of this entry)" descriptor_is_ours
must 'documents : tous ceux de la fiche, aucun autre (exactly the documents of the descriptor)' \
    [ "$(find data/piece -type f | awk 'END { print NR }')" -eq "$count" ]

sed -n 's/^{"agent":"[^"]*","commitments":\[\([^]]*\)\].*$/\1/p' "$proof/leaf.txt" | tr -d '"' | tr ',' '\n' |
    awk 'NF' >"$tmp/commitments"
# objects: "position digest blind" of the descriptor, then of each document in order, as they are.
blind_of() { sed -n 1p "$proof/objets/$1/blind.hex" 2>/dev/null | grep '^[0-9a-f]*$' || printf '%s\n' -; }
printf '000 %s %s\n' "$(digest_of "$proof/descriptor.json")" "$(blind_of 000)" >"$tmp/objects"
position=0
: >"$tmp/differs"
while IFS=' ' read -r declared bytes name; do
    position=$((position + 1))
    place=$(printf '%03d' "$position")
    actual=$(digest_of "data/piece/$name")
    length=$(($(wc -c 2>/dev/null <"data/piece/$name")))
    if [ "$actual" != "$declared" ] || [ "$length" -ne "$bytes" ]; then
        printf ' « %s »' "$name" >>"$tmp/differs"
    fi
    printf '%s %s %s\n' "$place" "${actual:--}" "$(blind_of "$place")" >>"$tmp/objects"
done <"$tmp/files"
must "documents : empreintes et tailles sont celles de la fiche (as described)$(cat "$tmp/differs")" [ ! -s "$tmp/differs" ]

# "cartulaire-commitment/v1\n", blind, digest: 25 + 32 + 32 bytes.
domain=$(printf 'cartulaire-commitment/v1\n' | xxd -p)
awk -v domain="$domain" '{ print domain $3 $2 }' "$tmp/objects" | hash_lines 89 >"$tmp/computed"
must 'engagements : la ligne du journal engage la fiche et chaque document (the entry commits to every object)' \
    cmp -s "$tmp/computed" "$tmp/commitments"

# ---- 4. The evidence records: each leads from its object to what the token stamps ----

token=$proof/token-sha256.tst
token_bytes=$(($(wc -c <"$token")))
# Depth and type of each element of a record, in the one shape that a bundle has: one value in each list of the path.
shape='^0 SEQUENCE;1 INTEGER :01;1 SEQUENCE;2 SEQUENCE;3 OBJECT :sha256;1 SEQUENCE;2 SEQUENCE;3 SEQUENCE;'
shape=$shape'4 cont [[] 0 []];5 OBJECT :sha256;4 cont [[] 2 []];(5 SEQUENCE;6 OCTET STRING;)+4 SEQUENCE;$'
# record POSITION FILE: "position offset-of-token size value..." with the value of each list of the reduced hash tree.
record() {
    openssl asn1parse -inform DER -in "$2" 2>/dev/null |
        awk -v position="$1" -v size="$(($(wc -c <"$2")))" -v shape="$shape" '
        done { next }
        { offset = $0 + 0; depth = $0; sub(/^[^=]*=/, "", depth); depth += 0
          type = $0; sub(/^.*(cons|prim): /, "", type); gsub(/ +/, " ", type); sub(/ $/, "", type) }
        type ~ /^OCTET STRING/ {
            value = tolower(type); sub(/^.*\]:/, "", value); values = values " " value; type = "OCTET STRING" }
        { found = found depth " " type ";"; done = inside && depth == 4 }
        depth == 4 && type == "cont [ 2 ]" { inside = 1 }
        END { if (found !~ shape) offset = -1; print position, offset, size, substr(values, 2) }'
    tail -c "$token_bytes" "$2" | cmp -s - "$token" || printf '%s\n' "$1" >>"$tmp/other-token"
}
: >"$tmp/other-token"
while read -r place rest; do
    record "$place" "$proof/objets/$place/record-sha256.ers"
done <"$tmp/objects" >"$tmp/records"
record checkpoint "$proof/checkpoint-sha256.ers" >>"$tmp/records"
records_share_the_token() {
    [ ! -s "$tmp/other-token" ] &&
        awk -v token="$token_bytes" '$2 < 0 || $2 + token != $3 { bad = 1 } END { exit bad }' "$tmp/records"
}
must 'enregistrements de preuve : lisibles, tous avec le même jeton (RFC 4998 records share the token)' \
    records_share_the_token

# The first value is the object's digest, the second its blind; the checkpoint has no blind.
awk -v checkpoint="$(digest_of "$proof/checkpoint-body.txt")" '
    NR == FNR { digest[$1] = $2; blind[$1] = $3; next }
    $1 == "checkpoint" { if ($4 != checkpoint) print $1; next }
    $4 != digest[$1] || $5 != blind[$1] { print $1 }' "$tmp/objects" "$tmp/records" >"$tmp/strangers"
must "enregistrements de preuve : chacun part de son objet et de son aléa (each begins with its object)$(
    sed 's/^/ /' "$tmp/strangers" | tr -d '\n'
)" [ ! -s "$tmp/strangers" ]

# All records climb together, a level at a time: the two values in ascending order, hashed.
awk '{ $2 = ""; $3 = ""; $0 = $0; $1 = $1; print }' "$tmp/records" >"$tmp/paths"
awk '{ print $2 }' "$tmp/paths" >"$tmp/level"
levels=$(awk 'NF > max { max = NF } END { print max - 1 }' "$tmp/paths")
k=2
while [ "$k" -le "$levels" ]; do
    awk -v k="$k" 'NR == FNR { below[FNR] = $0; next }
        NF > k { a = below[FNR] ""; b = $(k + 1) ""; print (a < b) ? a b : b a }' "$tmp/level" "$tmp/paths" |
        hash_lines 64 >"$tmp/hashed"
    awk -v k="$k" -v hashed="$tmp/hashed" 'NR == FNR { below[FNR] = $0; next }
        NF > k { getline next_hash < hashed; print next_hash; next }
        { print below[FNR] }' "$tmp/level" "$tmp/paths" >"$tmp/next"
    mv "$tmp/next" "$tmp/level"
    k=$((k + 1))
done
stamped=$(sort -u "$tmp/level")
case $stamped in
*[!0-9a-f]* | '') stamped= ;;
esac
must 'enregistrements de preuve : tous mènent à la même racine (all lead to one root)' [ ${#stamped} -eq 64 ]

# ---- 5. The token: an authority stamped that root ----

if [ -z "$root" ]; then
    set -- -CAfile data/pki/tsa-sha256.pem -partial_chain
else
    set -- -CAfile "$root"
fi
[ -z "$epoch" ] || set -- "$@" -attime "$epoch"
message='horodatage : le jeton RFC 3161 couvre cette racine, sa signature et son certificat sont valides (time-stamp)'
if openssl ts -verify -digest "${stamped:-00}" -in "$token" -token_in "$@" >"$tmp/log" 2>&1; then
    ok "$message"
else
    ko "$message"
    grep -v '^Using configuration' "$tmp/log" | sed 's/^/         /'
fi
openssl ts -reply -token_in -in "$token" -text 2>/dev/null >"$tmp/token"
stamp_time=$(sed -n 's/^Time stamp: //p' "$tmp/token")
policy=$(sed -n 's/^Policy OID: //p' "$tmp/token")

# ---- Verdict ----

printf '\n%s\n' "Horodatage / time-stamp : $stamp_time, politique / policy $policy"
openssl pkcs7 -inform DER -in "$token" -print_certs -noout 2>/dev/null | sed -n 's/^subject=/Certificat \/ certificate : /p'
if [ "$policy" = 1.3.6.1.4.1.32473.1 ]; then
    printf '%s\n' 'NON QUALIFIÉ / NOT QUALIFIED : autorité de développement, sans valeur envers les tiers.'
fi
if [ -z "$root" ]; then
    printf '%s\n' "ATTENTION : sans certificat racine obtenu ailleurs, rien ne dit QUI a horodaté. Donnez root.pem." \
        'WARNING: without a root certificate had elsewhere, nothing says WHO time-stamped. Give root.pem.'
fi
if [ "$given_key" = no ]; then
    printf '%s\n' "ATTENTION : sans clé du journal obtenue ailleurs, rien ne dit QUI tient le journal. Donnez log.pub.pem." \
        'WARNING: without a log key had elsewhere, nothing says WHO keeps the log. Give log.pub.pem.'
fi
if [ "$failures" -ne 0 ]; then
    printf '\n%s\n' "VERDICT : ECHEC, $failures contrôle(s) en défaut / FAILED, $failures check(s)"
    exit 1
fi
printf '\n%s\n' "VERDICT : OK, $position document(s) prouvé(s) à cette date / OK, $position document(s) proven at that time"
exit 0
