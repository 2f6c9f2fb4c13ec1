#!/usr/bin/env bash
# Runs tests on an emulated ARM processor: bash tests/arm.sh FOLDER [arguments of pytest]
#
# For Debian 12 with qemu-user and Python 3.11. FOLDER gets Debian's Python for arm64 and PyPI's wheels, 1.5 GB, at the
# first call. Without arguments these are the tests of the kernels and engines. The processor has all dot products;
# test_matmul.py compiles for ones without, too. torch is the last whose wheel for ARM needs no GPU.
set -euo pipefail
test $# -gt 0 || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2; }
mkdir -p "$1"
folder=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
root=$folder/root
if [ ! -e "$folder/ready" ]; then
  mkdir -p "$folder"/apt/{lists,cache}/partial "$folder"/apt/cache/archives/partial "$root/proc"
  touch "$folder/apt/status"
  apt=(-q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::Cache="$folder/apt/cache"
    -o Dir::State::Lists="$folder/apt/lists" -o Dir::State::status="$folder/apt/status")
  apt-get "${apt[@]}" update
  apt-get "${apt[@]}" install -y --no-install-recommends --download-only python3.11 libstdc++6 libgomp1
  for package in "$folder"/apt/cache/archives/*.deb; do dpkg -x "$package" "$root"; done
  # What Linux tells of a Neoverse V1: LLVM reads it
  printf '%s\t: %s\n' processor 0 Features "fp asimd aes sha1 sha2 crc32 atomics asimddp i8mm" \
    "CPU implementer" 0x41 "CPU architecture" 8 "CPU variant" 0x1 "CPU part" 0xd40 > "$root/proc/cpuinfo"
  mapfile -t needed < <(python3.11 -c '
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print("\n".join(name for name in project["dependencies"] if not name.startswith("torch")))')
  install=(python3.11 -m pip install -q --target "$folder/site" --python-version 3.11 --only-binary=:all:)
  for glibc in 17 24 26 27 28; do install+=(--platform "manylinux_2_${glibc}_aarch64"); done
  "${install[@]}" --platform manylinux2014_aarch64 "${needed[@]}" pytest pytest-xdist hypothesis sympy networkx jinja2 fsspec
  "${install[@]}" --no-deps torch==2.8.0
  # Processes that tests start run what argument 0 tells, with a path of their own
  printf '#!/bin/sh\nPYTHONPATH=$PYTHONPATH:%s exec qemu-aarch64 -cpu max -0 "%s" -L "%s" "%s" "$@"\n' \
    "$folder/site" "$folder/python" "$root" "$root/usr/bin/python3.11" > "$folder/python"
  chmod +x "$folder/python"
  touch "$folder/ready"
fi
if [ $# -eq 0 ]; then
  for topic in codes lanes matmul neon_tile matvecs sru recurrent rounding; do set -- "$@" "tests/numbers/test_$topic.py"; done
fi
export DSE_CACHE_DIR=$folder/cache PYTHONPATH=$PWD:$PWD/tests/support
unset NUMBA_CPU_NAME NUMBA_CPU_FEATURES
exec "$folder/python" -m pytest -p no:cacheprovider "$@"
