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
. bench/peers/environment.sh

python=$(torch_python)
ILORA_LLAMA_PYTHON=$(llama_python "${ILORA_LLAMA_PYTHON:-}")
export ILORA_LLAMA_PYTHON

cmake --preset release -DILORA_BENCH=ON >/dev/null
cmake --build --preset release --target ilora bench_kernels >/dev/null

model=$(model_file)
exec "$python" bench/peers/measure.py --model "$model" --ilora build/release/bin/ilora --work build/peers \
  --docs docs/performance.md "$@"
