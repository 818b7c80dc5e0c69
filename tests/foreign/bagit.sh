#!/bin/sh
# Judges bundles by the Library of Congress's own BagIt tool: sh tests/foreign/bagit.sh BUNDLE.zip...
# Needs unzip and bagit.py (pip install bagit). Exit 0: every bag is valid; 1: one is not; 77: not installed.
set -eu
command -v bagit.py >/dev/null 2>&1 || { echo 'SKIPPED: bagit.py is not installed (pip install bagit)'; exit 77; }
command -v unzip >/dev/null 2>&1 || { echo 'SKIPPED: unzip is not installed'; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for bundle in "$@"; do
    unzip -q "$bundle" -d "$folder/bag"
    bagit.py --validate "$folder"/bag/* && echo "OK $bundle"
    rm -rf "$folder/bag"
done
