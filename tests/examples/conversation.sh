#!/usr/bin/env bash
# Runs examples/embedding/conversation.cpp on the tiny model and looks at what it says and leaves.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
OMP_NUM_THREADS=1 "$1" "$root/tests/data/tiny-model" "$folder/run" | tee "$folder/out"
grep -q '^desk [01]' "$folder/out"
grep -q '"train": *false' "$folder/run/tasks/desk/train.json"
grep -q 'template: chat' "$folder/run/config.yaml"
