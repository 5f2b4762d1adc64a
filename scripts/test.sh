#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Tests that need the real model skip where it cannot be had.
#
#   scripts/test.sh                 everything
#   scripts/test.sh -R unit_base    arguments go to ctest
#
# ILORA_MODEL names a model that is already there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  echo "test: $*" >&2
  exit 1
}

scripts/setup.sh || exit 1
if [[ -x scripts/plotly.sh ]]; then
  scripts/plotly.sh >/dev/null || echo "test: warning: without Plotly.js the report's pages have no pictures" >&2
fi

cmake --preset release -DILORA_TESTS=ON || fail "the build could not be configured"
cmake --build --preset release || fail "the build failed"

if [[ -z ${ILORA_MODEL:-} ]]; then
  if model=$(scripts/model.sh | tail -n 1) && [[ -n $model ]]; then
    export ILORA_MODEL=$model
  else
    unset ILORA_MODEL
    echo "test: warning: no model; the tests that need it will be skipped" >&2
  fi
fi

ctest --test-dir build/release -j2 --output-on-failure "$@" || fail "some tests failed; they are named above"
