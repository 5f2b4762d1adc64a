#!/usr/bin/env bash
# Formats every C++ file in place; with --check changes nothing and fails where something would change.
#
# clang-format 14, Debian 12's: other versions break lines elsewhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  echo "format: $*" >&2
  exit 1
}

case "${1:-}" in
  '' | --check) ;;
  *) fail "expected nothing or --check, got '$1'" ;;
esac

tool=
for candidate in clang-format-14 clang-format; do
  if command -v "$candidate" >/dev/null && "$candidate" --version | grep -q 'version 14\.'; then
    tool=$candidate
    break
  fi
done
[[ -n $tool ]] || fail "clang-format 14 is needed (Debian 12: scripts/setup.sh installs it)"

mapfile -d '' files < <(
  find src tests bench examples include \( -name '*.h' -o -name '*.cpp' -o -name '*.cc' -o -name '*.cu' \) -print0 |
    sort -z
)
[[ ${#files[@]} -gt 0 ]] || fail "no C++ file was found"

case "${1:-}" in
  '') "$tool" -i "${files[@]}" ;;
  --check)
    "$tool" --dry-run -Werror "${files[@]}" || fail "some files are not formatted; scripts/format.sh does it"
    echo "format: ${#files[@]} files are formatted" >&2
    ;;
esac
