#!/usr/bin/env bash
# Fuzzes the readers of files, one after another, under the address and undefined-behaviour sanitizers.
#
#   scripts/fuzz.sh [SECONDS] [READER ...]     each for so long (default: 60); all readers, or these
#
# Needs clang. Inputs are kept in build/fuzz/corpus and added to from run to run; a finding is a file in build/fuzz/findings,
# which `ILORA_FUZZ=READER build/fuzz/bin/ilora_fuzz FILE` reads again. What it did is appended to build/fuzz/log.txt.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || { echo "fuzz: expected seconds, got '$seconds'" >&2; exit 1; }
shift $(($# > 0 ? 1 : 0))
command -v clang++ >/dev/null || { echo "fuzz: needs clang++ (scripts/setup.sh develop installs it)" >&2; exit 1; }

flags="-O1 -g1 -fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined"
cmake -S . -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DILORA_FUZZ=ON -DILORA_SANITIZE=address,undefined \
  -DILORA_WERROR=OFF -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="$flags" >/dev/null || exit 1
cmake --build build/fuzz --target ilora_fuzz || exit 1

program=build/fuzz/bin/ilora_fuzz
readers=("$@")
[ ${#readers[@]} -gt 0 ] || mapfile -t readers < <("$program" 2>/dev/null)
found=0
for reader in "${readers[@]}"; do
  [ -d "tests/fuzz/corpus/$reader" ] || { echo "fuzz: there is no reader '$reader'" >&2; exit 2; }
  mkdir -p "build/fuzz/corpus/$reader" build/fuzz/findings
  output=$(ILORA_FUZZ=$reader "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/findings/$reader-" \
    "build/fuzz/corpus/$reader" "tests/fuzz/corpus/$reader" 2>&1)
  code=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' <<<"$output")
  line="$(date -u +%F) $reader: ${runs:-0} executions in $seconds s, exit code $code"
  echo "$line"
  echo "$line" >>build/fuzz/log.txt
  if [ "$code" -ne 0 ]; then
    found=1
    tail -40 <<<"$output"
  fi
done
exit $found
