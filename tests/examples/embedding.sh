#!/usr/bin/env bash
# Runs examples/embedding on the tiny model and looks at what it says and leaves.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
OMP_NUM_THREADS=1 "$1" "$root/tests/data/tiny-model" "$folder/run" | tee "$folder/out"
grep -q '^colours ' "$folder/out"
grep -q '^rooms ' "$folder/out"
grep -q "^adapter: $folder/run/checkpoints/task-02/adapter-slow$" "$folder/out"
test -f "$folder/run/checkpoints/task-02/adapter-slow/adapter_model.safetensors"
