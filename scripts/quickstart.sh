#!/usr/bin/env bash
# From a fresh Debian machine to a result: a real language model learns five tasks one after another, once naively
# and once with I-LoRA, and a page shows how much each forgot.
#
#   scripts/quickstart.sh          with SmolLM2-135M-Instruct, which it downloads (98 MB)
#   scripts/quickstart.sh MODEL    with a model of your own: a .gguf file or a Hugging Face folder
#
# May be stopped at any time: calling it again goes on where it was. Everything it makes is in runs/quickstart/.
set -euo pipefail
given=${1:-${ILORA_MODEL:-}}
[[ -z $given || ! -e $given ]] || given=$(realpath "$given")  # before the folder changes
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  echo "quickstart: $*" >&2
  exit 1
}

say() { echo "quickstart: $*" >&2; }

build() {
  scripts/setup.sh build || exit 1
  scripts/plotly.sh >/dev/null || say "warning: without Plotly.js the report has tables but no pictures"
  # A folder of its own: the tests' build keeps its options.
  # A warning of a newer compiler is no reason to stop here.
  cmake -S . -B build/quickstart -G Ninja -DCMAKE_BUILD_TYPE=Release -DILORA_TESTS=OFF -DILORA_WERROR=OFF \
    >/dev/null || fail "the build could not be configured; see above"
  cmake --build build/quickstart || fail "the build failed; see above"
}

# One run: left alone where it is finished, resumed where it was interrupted.
train() {
  local name=$1 run=$out/$1
  if [[ -f $run/results.json ]] && grep -q '"status": "finished"' "$run/results.json"; then
    say "$run is finished already"
  elif [[ -f $run/config.yaml ]]; then
    "$ilora" train --resume "$run" || fail "training '$name' did not finish; call this script again to go on"
  else
    "$ilora" train "examples/quickstart-$name.yaml" --set model.path="$model" --set data.folder="$out/suite" \
      --set output="$run" || fail "training '$name' did not finish; call this script again to go on"
  fi
}

out=runs/quickstart
ilora=build/quickstart/bin/ilora

build
model=$(scripts/model.sh ${given:+"$given"} | tail -n 1) || exit 1

mkdir -p "$out"
if [[ -f $out/model.txt && $(<"$out/model.txt") != "$model" ]]; then
  fail "$out was made with another model, $(<"$out/model.txt"); remove that folder to start anew"
fi
echo "$model" >"$out/model.txt"

"$ilora" suite mini --out "$out/suite" || fail "the tasks could not be written to $out/suite"
train seq
train ilora
"$ilora" report "$out/seq" "$out/ilora" --out "$out/report.html" || fail "the report could not be written"
say "the program is $ilora, the model $model"
echo "The page: $(realpath "$out/report.html")"
