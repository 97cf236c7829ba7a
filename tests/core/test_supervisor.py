"""Children of the program."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.demo import ROOT

PARENT = """
import asyncio, sys, uvloop
from core.supervisor import Child, Supervisor, keep_files_from_children

async def main():
    supervisor = Supervisor()
    await supervisor.start(Child("child", sys.argv[1:], {}))
    await supervisor._children[0].process.wait()
    await supervisor.stop()

keep_files_from_children()
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""


def test_a_child_gets_no_file_that_the_program_was_given(tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    try:
        told = subprocess.run(
            [sys.executable, "-c", PARENT, "/bin/ls", "-l", "/proc/self/fd"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            pass_fds=(lock,),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        os.close(lock)
    assert "/dev/null" in told.stdout
    assert str(tmp_path) not in told.stdout
