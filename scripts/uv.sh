#!/bin/sh
# Runs uv: the one on the PATH, or one in a small environment of its own, made on first use.
set -eu
# A hospital network often has a certificate authority of its own: trust what the machine trusts.
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
version=$1
shift
if command -v uv >/dev/null 2>&1; then
    exec uv "$@"
fi
home="$(dirname "$0")/../.venv-uv"
if [ ! -x "$home/bin/uv" ]; then
    python=$("$(dirname "$0")/tools.sh" which-python)
    "$python" -m venv "$home" 2>/dev/null || {
        echo "Python's venv module is missing (Debian: apt-get install python3-venv)." >&2
        exit 1
    }
    "$home/bin/pip" install -q --disable-pip-version-check "uv==$version"
fi
exec "$home/bin/uv" "$@"
