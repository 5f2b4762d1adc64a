#!/bin/sh
# Compares generation with llama.cpp's on the same file, in turns: a prompt answered alone, 16 together, a prompt of 512
# tokens read. Prints a table that names the CPU (bench/peers/llama_compare.py). A few minutes on two quiet cores.
#
#   bench/llama.sh                    the small model of scripts/model.sh, or ILORA_MODEL, a GGUF file
#   bench/llama.sh --turns 9          more turns than five
#   bench/llama.sh --set engine.decoding=exact    options of ours, repeatable
#
# Python is ILORA_PYTHON with llama-cpp-python, or an environment made in build/peers/llama-venv, where pip compiles
# llama.cpp for this CPU (some minutes). The program is ILORA_BINARY, or the release build, which is brought up to date.
# Both use OMP_NUM_THREADS threads, by default all cores.
set -eu
cd "$(dirname "$0")/.."

python=${ILORA_PYTHON:-build/peers/llama-venv/bin/python}
if [ -z "${ILORA_PYTHON:-}" ] && ! "$python" -c 'import llama_cpp' 2>/dev/null; then
  python3 -m venv build/peers/llama-venv
  "$python" -m pip install --quiet -r bench/peers/requirements-llama.txt
fi

binary=${ILORA_BINARY:-}
if [ -z "$binary" ]; then
  cmake --preset release >/dev/null
  cmake --build --preset release --target ilora >/dev/null
  binary=build/release/bin/ilora
fi

model=${ILORA_MODEL:-}
[ -n "$model" ] || model=$(scripts/model.sh)
exec "$python" bench/peers/llama_compare.py --model "$model" --ilora "$binary" --work build/peers/llama "$@"
