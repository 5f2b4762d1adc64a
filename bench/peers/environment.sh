# What the measuring scripts share: read by `.` from the project's folder, with `set -eu`.

# Python with the packages of a requirements file: the one that is given, or an environment below build/peers that is made
# when a package is missing. $1: the given one or nothing; $2: the environment's name; $3: what must be imported; $4: the file.
peer_python() {
  if [ -n "$1" ]; then
    echo "$1"
    return
  fi
  if ! "build/peers/$2/bin/python" -c "import $3" 2>/dev/null; then
    python3 -m venv "build/peers/$2" >&2
    "build/peers/$2/bin/python" -m pip install --quiet -r "bench/peers/$4" >&2
  fi
  echo "build/peers/$2/bin/python"
}
torch_python() { peer_python "${ILORA_PYTHON:-}" venv 'torch, transformers, peft, gguf' requirements.txt; }
llama_python() { peer_python "$1" llama-venv llama_cpp requirements-llama.txt; }

# The program: ILORA_BINARY, or the release build, brought up to date.
ilora_binary() {
  if [ -z "${ILORA_BINARY:-}" ]; then
    cmake --preset release >/dev/null
    cmake --build --preset release --target ilora >/dev/null
  fi
  echo "${ILORA_BINARY:-build/release/bin/ilora}"
}

# The model: ILORA_MODEL, a GGUF file, or the small one of scripts/model.sh.
model_file() {
  if [ -n "${ILORA_MODEL:-}" ]; then echo "$ILORA_MODEL"; else scripts/model.sh; fi
}
