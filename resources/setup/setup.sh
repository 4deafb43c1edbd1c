#!/bin/sh
# Make .venv ready: system packages, pinned Python packages, Ossicle itself. Does nothing when nothing changed.
#   setup.sh demo | test        (what is wanted decides which system packages are needed)
set -eu
cd "$(dirname "$0")/../.."
purpose=${1:-demo}
python=${PYTHON:-$(command -v python3.11 || command -v python3)}

# check : Debian package
needed() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    [ "$purpose" = test ] || return 0
    command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ] || echo mosquitto
    command -v openssl >/dev/null || echo openssl
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
