# Sourced by the other scripts: where LibTorch lives, where its pkg-config file lives, and how a step is announced.

# Some services run without HOME.
: "${HOME:=$(getent passwd "$(id -u)" | cut -d: -f6)}"
export HOME
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
libtorch_version=2.11.0
libtorch=${BULWARK_LIBTORCH:-${XDG_CACHE_HOME:-$HOME/.cache}/bulwark/libtorch-$libtorch_version}
libtorch_stamp=$libtorch/.bulwark-complete
case $libtorch in
  /*) ;;
  *) printf 'BULWARK_LIBTORCH is %s: give a path that begins with /.\n' "$libtorch" >&2; exit 1 ;;
esac

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

# Builds the optimized tool, unless BULWARK names one, and sets BULWARK to it.
optimized_tool() {
  [ -z "${BULWARK:-}" ] || return 0
  "$repository/Scripts/setup"
  swift build --package-path "$repository" -c release --product bulwark </dev/null >&2
  swift build --package-path "$repository" -c release --product BulwarkTorchShim </dev/null >&2
  BULWARK=$(swift build --package-path "$repository" -c release --show-bin-path)/bulwark
  export BULWARK
}

# A path as it is found from anywhere: absolute PATH. Other arguments of scripts are names and stay.
absolute() { realpath -m -- "$1"; }

# Says where to look when a job of a table ends badly: failed LOG.
failed() {
  step "$(basename "$0")" "failed; what it said is in $1"
  return 1
}
