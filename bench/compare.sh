#!/bin/sh
# Compares ilora with PyTorch + transformers + PEFT on the same work, in turns (bench/peers/compare.py).
#
#   bench/compare.sh                     everything; forty minutes on two quiet cores. docs/performance.md gets the table
#   bench/compare.sh --quick             a rehearsal of a few minutes, into build/peers/quick
#   bench/compare.sh --only 'step/seq/*' some pairs; --list names them
#
# The model is ILORA_MODEL, a GGUF file, or the small one that scripts/model.sh obtains. Python is ILORA_PYTHON, or an
# environment made in build/peers/venv from bench/peers/requirements.txt. The program is ILORA_BINARY, or the release
# build, which is brought up to date.
set -eu
cd "$(dirname "$0")/.."
. bench/peers/environment.sh

python=$(torch_python)
binary=$(ilora_binary)
model=$(model_file)

case " $* " in
  *" --quick "* | *" --list "* | *" --calibrate "*) docs= ;;
  *) docs=docs/performance.md ;;
esac
exec "$python" bench/peers/compare.py --model "$model" --ilora "$binary" --work build/peers ${docs:+--docs "$docs"} "$@"
