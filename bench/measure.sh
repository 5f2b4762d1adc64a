#!/bin/sh
# Measures everything that docs/performance.md states for a processor, on this machine, and puts the table with the CPU's
# name into that page (bench/peers/measure.py). An hour on two quiet cores; a part takes one to ten minutes.
#
#   bench/measure.sh                          all parts
#   bench/measure.sh --only modes,gradients   some; the others' figures stay
#   bench/measure.sh --data DATA              gradients on rows of eight tasks (docs/tasks.md), not of the mini suite
#
# Python is ILORA_PYTHON with torch, transformers, peft and gguf, ILORA_LLAMA_PYTHON with llama-cpp-python, or
# environments made below build/peers. The model is ILORA_MODEL, a GGUF file, or the small one of scripts/model.sh.
set -eu
cd "$(dirname "$0")/.."

python=${ILORA_PYTHON:-build/peers/venv/bin/python}
if [ -z "${ILORA_PYTHON:-}" ] && ! "$python" -c 'import torch, transformers, peft, gguf' 2>/dev/null; then
  python3 -m venv build/peers/venv
  "$python" -m pip install --quiet -r bench/peers/requirements.txt
fi
llama=${ILORA_LLAMA_PYTHON:-build/peers/llama-venv/bin/python}
if [ -z "${ILORA_LLAMA_PYTHON:-}" ] && ! "$llama" -c 'import llama_cpp' 2>/dev/null; then
  python3 -m venv build/peers/llama-venv
  "$llama" -m pip install --quiet -r bench/peers/requirements-llama.txt
fi

cmake --preset release -DILORA_BENCH=ON >/dev/null
cmake --build --preset release --target ilora bench_kernels >/dev/null

model=${ILORA_MODEL:-}
[ -n "$model" ] || model=$(scripts/model.sh)
exec "$python" bench/peers/measure.py --model "$model" --ilora build/release/bin/ilora --work build/peers \
  --docs docs/performance.md "$@"
