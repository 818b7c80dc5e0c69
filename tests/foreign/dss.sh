#!/usr/bin/env bash
# Has EU DSS 6.4, the European Commission's validator, and Bouncy Castle judge every evidence record of fresh proof bundles.
#
# Usage: tests/foreign/dss.sh [DEMO]
# DEMO is a folder that `cartulaire demo` made (default: a new one, which goes away).
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
    echo "SKIPPED: $1"
    exit 0
}
for program in mvn java unzip; do
    command -v $program >/dev/null || skip "no $program"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mvn -q -B -f tests/foreign/dss/pom.xml dependency:build-classpath -Dmdep.outputFile="$work/classpath" >"$work/mvn" 2>&1 ||
    skip "Maven cannot get DSS: $(grep -m 1 ERROR "$work/mvn" | cut -c 1-200)"

demo=${1:-}
if [ -z "$demo" ]; then
    demo=$work/demo
    cargo run --quiet -p cartulaire-server --bin cartulaire -- demo "$demo" >"$work/log" || { cat "$work/log"; exit 1; }
fi
mkdir "$work/bundles"
for zip in "$demo"/bundles/*.zip; do
    unzip -q "$zip" -d "$work/bundles/$(basename "$zip" .zip)"
done
java -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$(cat "$work/classpath")" \
    tests/foreign/dss/CheckRecords.java "$demo/trust/root.pem" "$work"/bundles/*/*
