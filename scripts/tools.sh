#!/bin/sh
# Looks for the tools that the set-up needs, installs what it may, and otherwise says what to do.
set -eu

fail() {
    echo "$1" >&2
    exit 1
}

find_python() {
    for name in "${PYTHON_EXECUTABLE:-}" python3.11 python3.12 python3.13 python3; do
        [ -n "$name" ] || continue
        path=$(command -v "$name" 2>/dev/null) || continue
        if "$path" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$path"
            return
        fi
    done
    fail "Python 3.11 or newer is missing: install it (Debian 12: apt-get install python3 python3-venv python3-pip)."
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

case "$1" in
python)
    find_python >/dev/null
    ;;
which-python)
    find_python
    ;;
node)
    command -v npm >/dev/null 2>&1 || fail "Node.js is missing: install Node 20 with npm."
    major=$(node -p 'process.versions.node.split(".")[0]')
    [ "$major" -ge 20 ] || fail "Node.js $major is too old: install Node 20 or newer."
    ;;
browser)
    if command -v chromium >/dev/null 2>&1 && fc-list :lang=zh 2>/dev/null | grep -q .; then
        exit 0
    fi
    echo "Installing Chromium and a Chinese font …"
    as_root apt-get update -qq || fail "Chromium is missing: apt-get install chromium fonts-noto-cjk fontconfig"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-noto-cjk fontconfig >/dev/null ||
        fail "Chromium is missing: apt-get install chromium fonts-noto-cjk fontconfig"
    ;;
tls)
    if command -v nginx >/dev/null 2>&1 && command -v testssl >/dev/null 2>&1; then
        exit 0
    fi
    echo "Installing nginx and testssl.sh …"
    as_root apt-get update -qq || fail "nginx or testssl.sh is missing: apt-get install nginx-light testssl.sh"
    # A policy keeps the package from starting a server of its own.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq nginx-light testssl.sh >/dev/null ||
        fail "nginx or testssl.sh is missing: apt-get install nginx-light testssl.sh"
    ;;
gstreamer)
    probe='import gi; gi.require_version("GstWebRTC", "1.0"); from gi.repository import Gst
Gst.init(None); assert Gst.ElementFactory.find("webrtcbin") and Gst.ElementFactory.find("nicesrc")'
    if /usr/bin/python3 -c "$probe" >/dev/null 2>&1; then
        exit 0
    fi
    echo "Installing GStreamer's webrtcbin …"
    packages="python3-gi gir1.2-gst-plugins-base-1.0 gir1.2-gst-plugins-bad-1.0 gstreamer1.0-nice
        gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
    as_root apt-get update -qq || fail "GStreamer is missing: apt-get install $packages"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages \
        >/dev/null || fail "GStreamer is missing: apt-get install $packages"
    ;;
softhsm)
    if command -v softhsm2-util >/dev/null 2>&1; then
        exit 0
    fi
    echo "Installing SoftHSM …"
    as_root apt-get update -qq || fail "SoftHSM is missing: apt-get install softhsm2"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends softhsm2 >/dev/null ||
        fail "SoftHSM is missing: apt-get install softhsm2"
    ;;
services)
    if command -v redis-server >/dev/null 2>&1 && [ -x /usr/sbin/clamd ] &&
        command -v turnserver >/dev/null 2>&1; then
        exit 0
    fi
    echo "Installing Redis, ClamAV's daemon and coturn for the tests …"
    # Without them their tests say so and are skipped. No signatures are fetched, and a policy keeps
    # the packages from starting servers of their own.
    { as_root apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq \
            --no-install-recommends redis-server clamav-daemon coturn >/dev/null; } ||
        echo "Not installed: apt-get install --no-install-recommends redis-server clamav-daemon coturn"
    ;;
*)
    fail "usage: tools.sh python | which-python | node | browser | services | gstreamer | softhsm | tls"
    ;;
esac
