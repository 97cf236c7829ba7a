"""One worker under several addresses of a machine whose routes differ by address."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.media.sfu.support import ROOT

RIGHTS = ["--net"] if os.geteuid() == 0 else ["--net", "--user", "--map-root-user"]


def why_not() -> str:
    """What keeps this machine from giving the test a network; nothing when all is well."""
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            return f"`{program}` is missing"
    tried = subprocess.run(
        ["unshare", *RIGHTS, "ip", "link", "add", "one", "type", "veth"],
        capture_output=True,
        text=True,
        check=False,
    )
    return tried.stderr.strip() if tried.returncode else ""


def test_whoever_asks_an_address_is_answered_from_it_whatever_the_routes_say(
    tmp_path: Path,
) -> None:
    reason = why_not()
    if reason:
        pytest.skip(f"no network namespace with two networks: {reason}")
    done = subprocess.run(
        ["unshare", *RIGHTS, sys.executable, "-m", "tests.media.sfu.two_networks", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["answered"] == [5] * 5
    assert all(received > 100 for both in found["calls"] for received in both), found
