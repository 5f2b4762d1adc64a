#!/usr/bin/env bash
# Installs a build into a fresh prefix; builds and runs examples/embedding against it, and runs the installed program.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cmake --install "$1" --prefix "$folder/prefix" >/dev/null
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[^=]*=//p' "$1/CMakeCache.txt")
cmake -S "$root/examples/embedding" -B "$folder/build" -G Ninja -DCMAKE_PREFIX_PATH="$folder/prefix" \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" >/dev/null
cmake --build "$folder/build" >/dev/null
"$root/tests/examples/embedding.sh" "$folder/build/embedding"
"$root/tests/examples/conversation.sh" "$folder/build/conversation"
"$folder/prefix/bin/ilora" --version
