#!/bin/sh
# Make .venv ready: system packages, pinned Python packages, Ossicle itself. Does nothing when nothing changed.
#   setup.sh demo | studio | test | pictures     (what is wanted decides which system packages are needed)
set -eu
cd "$(dirname "$0")/../.."
purpose=${1:-demo}
python=${PYTHON:-$(command -v python3.11 || command -v python3)}

# package NAME FILE...: the package's name unless one of its files is there
package() {
    name=$1
    shift
    for file in "$@"; do
        [ -e "$file" ] && return 0
    done
    echo "$name"
}

# What Qt needs beside PySide6, for a window and for pictures without one.
window() {
    [ "$(uname)" = Linux ] || return 0
    libraries=$(ldconfig -p 2>/dev/null || /sbin/ldconfig -p)
    for pair in libgl1:libGL.so.1 libegl1:libEGL.so.1 libxkbcommon0:libxkbcommon.so.0 libdbus-1-3:libdbus-1.so.3 \
        libfontconfig1:libfontconfig.so.1 libglib2.0-0:libglib-2.0.so.0 libgssapi-krb5-2:libgssapi_krb5.so.2 \
        libxcb-cursor0:libxcb-cursor.so.0 libxcb-icccm4:libxcb-icccm.so.4 libxcb-keysyms1:libxcb-keysyms.so.1 \
        libxkbcommon-x11-0:libxkbcommon-x11.so.0 libxcb-shape0:libxcb-shape.so.0; do
        case $libraries in *"${pair#*:}"*) ;; *) echo "${pair%%:*}" ;; esac
    done
}

needed() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    [ "$purpose" = demo ] || window
    [ "$purpose" = pictures ] && package fonts-inter /usr/share/fonts/opentype/inter /usr/share/fonts/truetype/inter
    [ "$purpose" = pictures ] && package fonts-jetbrains-mono /usr/share/fonts/truetype/jetbrains-mono
    [ "$purpose" = pictures ] && package chromium /usr/bin/chromium
    [ "$purpose" = pictures ] && package mosquitto /usr/sbin/mosquitto
    [ "$purpose" = test ] || return 0
    package xvfb /usr/bin/Xvfb
    package xdotool /usr/bin/xdotool
    command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ] || echo mosquitto
    command -v nats-server >/dev/null || [ -x /usr/sbin/nats-server ] || echo nats-server
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || echo postgresql
    command -v chromium >/dev/null || echo chromium
    command -v openssl >/dev/null || echo openssl
    command -v node >/dev/null || echo nodejs
    command -v npm >/dev/null || echo npm
    command -v arm-none-eabi-gcc >/dev/null || echo gcc-arm-none-eabi
    command -v qemu-aarch64-static >/dev/null || echo qemu-user-static
    command -v qemu-system-arm >/dev/null || echo qemu-system-arm
    command -v qemu-system-riscv32 >/dev/null || echo qemu-system-misc
}

missing=$(needed | tr '\n' ' ')
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing system packages: $missing"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    else
        echo "Missing system packages: $missing- install them with: sudo apt-get install $missing" >&2
        exit 1
    fi
fi

# The IoT agent library of the FIWARE tests, from the npm registry, outside this folder.
agent() {
    place=${XDG_CACHE_HOME:-$HOME/.cache}/ossicle/iot-agent
    lock=$(cksum < resources/fiware/package-lock.json | tr -d ' ')
    [ "$(cat "$place/ready" 2>/dev/null || true)" = "$lock" ] && return 0
    echo "Installing the IoT agent library (once) ..."
    mkdir -p "$place" &&
        cp resources/fiware/package.json resources/fiware/package-lock.json "$place/" &&
        npm ci --prefix "$place" --silent --ignore-scripts --omit=optional --no-audit --no-fund &&
        echo "$lock" > "$place/ready"
}
[ "$purpose" != test ] || agent || echo "The IoT agent library cannot be installed; its tests will fail" >&2

want=$(cat pyproject.toml resources/setup/constraints.txt | cksum | tr -d ' ')
[ "$(cat .venv/ready 2>/dev/null || true)" = "$want" ] && exit 0
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "$python is $("$python" --version 2>&1); Python 3.11 or newer is needed: sudo apt-get install python3.11" >&2
    exit 1
}
echo "Setting up .venv (once, some minutes) ..."
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint resources/setup/constraints.txt --editable '.[dev]'
echo "$want" > .venv/ready
