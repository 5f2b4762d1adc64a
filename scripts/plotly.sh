#!/usr/bin/env bash
# Obtains Plotly.js for the report: it is carried by the PyPI package `plotly`. The last line printed is its path.
#
#   scripts/plotly.sh     -> .cache/plotly/plotly.min.js (kept: a second call downloads nothing)
#
# CMake embeds that file (cmake/embed.cmake). Without it the program builds all the same and a report has tables
# but no pictures. scripts/setup.sh installs what is needed here: python3, its pip, and unzip.
set -euo pipefail

version=6.3.1 # carries plotly.js 3.1.1 (MIT)
sha256=1d4105c9f8939d92710b1babf7d1636ca613bca4b3c03683dffc794ea1e916ee # of plotly.min.js
folder="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.cache/plotly"
file="$folder/plotly.min.js"

die() {
  echo "plotly.sh: $1" >&2
  exit 1
}

valid() { [ -f "$1" ] && echo "$sha256  $1" | sha256sum --check --status; }

if valid "$file"; then
  echo "$file"
  exit 0
fi

command -v python3 >/dev/null || die "python3 is needed to download Plotly.js; scripts/setup.sh installs it."
python3 -m pip --version >/dev/null 2>&1 || die "pip is needed to download Plotly.js (Debian: python3-pip)."
command -v unzip >/dev/null || die "unzip is needed to unpack Plotly.js (Debian: unzip)."

mkdir -p "$folder"
temporary="$(mktemp -d "$folder/download.XXXXXX")"
trap 'rm -rf "$temporary"' EXIT
echo "Downloading the PyPI package plotly $version (about 10 MB)" >&2
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --dest "$temporary" "plotly==$version" >&2 ||
  die "could not download the PyPI package plotly $version; check the network and pip's settings."
unzip -q -j "$temporary"/plotly-*.whl plotly/package_data/plotly.min.js -d "$temporary" ||
  die "the package plotly $version does not hold plotly/package_data/plotly.min.js."
valid "$temporary/plotly.min.js" || die "plotly.min.js does not have the expected SHA-256 ($sha256)."
mv "$temporary/plotly.min.js" "$file"
echo "$file"
