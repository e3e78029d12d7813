# Sourced by the other scripts: where LibTorch lives, where its pkg-config file lives, and how a step is announced.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
libtorch_version=2.11.0
libtorch=${BULWARK_LIBTORCH:-${XDG_CACHE_HOME:-$HOME/.cache}/bulwark/libtorch-$libtorch_version}
libtorch_stamp=$libtorch/.bulwark-complete

# Where SwiftPM finds libtorch.pc: without any variable for root, by PKG_CONFIG_PATH for everybody else.
if [ "$(id -u)" = 0 ]; then
  pkgconfig_folder=/usr/local/lib/pkgconfig
else
  pkgconfig_folder=$HOME/.local/lib/pkgconfig
  export PKG_CONFIG_PATH=$pkgconfig_folder${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
fi

# Announces one step: step NAME MESSAGE...
step() {
  local name=$1
  shift
  printf '%s: %s\n' "$name" "$*" >&2
}

# Ends the script with one sentence: give_up NAME MESSAGE...
give_up() {
  step "$@"
  exit 1
}
