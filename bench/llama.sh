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
. bench/peers/environment.sh

python=$(llama_python "${ILORA_PYTHON:-}")
binary=$(ilora_binary)
model=$(model_file)
exec "$python" bench/peers/llama_compare.py --model "$model" --ilora "$binary" --work build/peers/llama "$@"
