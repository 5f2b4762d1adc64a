#!/usr/bin/env bash
# Fuzzes the readers of files, one after another, under the address and undefined-behaviour sanitizers.
#
#   scripts/fuzz.sh [SECONDS] [READER ...]     each for so long (default: 60); all readers, or these
#   scripts/fuzz.sh --rounds N [SECONDS] ...   that N times over; stops after a round that found something
#   scripts/fuzz.sh --built ...                with the program as it was built, whatever the source is now
#   scripts/fuzz.sh --tally                    what was done so far, by reader
#
# Needs clang. Inputs are kept in build/fuzz/corpus and added to from run to run; a finding is a file in build/fuzz/findings,
# which `ILORA_FUZZ=READER build/fuzz/bin/ilora_fuzz FILE` reads again. What it did is appended to build/fuzz/log.txt.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Readers of files get them as such: in memory where there is a place for that.
[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
program=build/fuzz/bin/ilora_fuzz
log=build/fuzz/log.txt
rounds=1
built=
while [[ ${1:-} == --* ]]; do
  case $1 in
    --rounds) rounds=${2:-}; shift ;;
    --built) built=yes ;;
    --tally)
      [ -f "$log" ] || { echo "fuzz: nothing was done yet" >&2; exit 1; }
      awk '{ n[$2] += $3; cpu[$2] += $5; bad[$2] += $NF != 0; executions += $3; seconds += $5; findings += $NF != 0 }
        END { for (r in n) printf "%-18s %10d executions %8d CPU seconds %3d findings\n", r, n[r], cpu[r], bad[r] | "sort"
              close("sort")
              printf "%-18s %10d executions %8.2f CPU hours   %3d findings\n", "all:", executions, seconds / 3600, findings }' "$log"
      exit 0 ;;
    *) echo "fuzz: what is $1?" >&2; exit 1 ;;
  esac
  shift
done
[[ $rounds =~ ^[0-9]+$ ]] || { echo "fuzz: expected a number of rounds, got '$rounds'" >&2; exit 1; }
seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || { echo "fuzz: expected seconds, got '$seconds'" >&2; exit 1; }
shift $(($# > 0 ? 1 : 0))

build() {
  command -v clang++ >/dev/null || { echo "fuzz: needs clang++ (scripts/setup.sh develop installs it)" >&2; exit 1; }
  local flags="-O1 -g1 -fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined"
  cmake -S . -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DILORA_FUZZ=ON -DILORA_SANITIZE=address,undefined \
    -DILORA_WERROR=OFF -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="$flags" >/dev/null || exit 1
  cmake --build build/fuzz --target ilora_fuzz || exit 1
}

# One reader, for so many seconds; returns libFuzzer's exit code.
fuzz() {
  local reader=$1 output=build/fuzz/output.txt code runs cpu
  [ -d "tests/fuzz/corpus/$reader" ] || { echo "fuzz: there is no reader '$reader'" >&2; exit 2; }
  mkdir -p "build/fuzz/corpus/$reader" build/fuzz/findings
  local TIMEFORMAT='%U %S'
  cpu=$({ time ILORA_FUZZ=$reader "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/findings/$reader-" \
    "build/fuzz/corpus/$reader" "tests/fuzz/corpus/$reader" >"$output" 2>&1; } 2>&1; exit "${PIPESTATUS[0]}")
  code=$?
  cpu=$(awk '{ print $1 + $2 }' <<<"$cpu")
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$output")
  echo "$(date -u +%F) $reader: ${runs:-0} executions, $cpu CPU seconds, exit code $code" | tee -a "$log"
  [ "$code" -eq 0 ] || tail -40 "$output"
  return "$code"
}

[ -n "$built" ] || build
readers=("$@")
[ ${#readers[@]} -gt 0 ] || mapfile -t readers < <("$program" 2>/dev/null)
found=0
for ((round = 0; round < rounds && found == 0; ++round)); do
  for reader in "${readers[@]}"; do
    fuzz "$reader" || found=1
  done
done
exit $found
