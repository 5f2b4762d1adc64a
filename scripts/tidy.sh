#!/usr/bin/env bash
# Runs clang-tidy (the checks of .clang-tidy) over all sources, or over those of the folders named.
#
#   scripts/tidy.sh
#   scripts/tidy.sh src/base src/tensor
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  echo "tidy: $*" >&2
  exit 1
}

command -v clang-tidy >/dev/null || fail "clang-tidy is needed; 'scripts/setup.sh develop' installs it"
cmake --preset release >/dev/null || fail "the build could not be configured"
# clang does not know the flag of the reference kernels.
commands=build/tidy
mkdir -p "$commands"
sed 's/ -fcx-limited-range//' build/release/compile_commands.json >"$commands/compile_commands.json"

folders=("$@")
[[ ${#folders[@]} -gt 0 ]] || folders=(src)
mapfile -d '' files < <(find "${folders[@]}" -name '*.cpp' -print0 | sort -z)
[[ ${#files[@]} -gt 0 ]] || fail "no source was found in: ${folders[*]}"

printf '%s\0' "${files[@]}" |
  xargs -0 -n 1 -P "$(nproc)" clang-tidy -p "$commands" --quiet 2> >(grep -v 'warnings generated' >&2) ||
  fail "clang-tidy has something to say; see above"
echo "tidy: ${#files[@]} files are clean" >&2
