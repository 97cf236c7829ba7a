"""What a recording's segments took goes back to the system."""

import subprocess
import sys

import pytest

from media.memory import return_large_blocks

#: Eight threads read one segment after the other, of different sizes, and let each go.
READING = """
import sys, threading
from media.memory import LARGE, return_large_blocks

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

if sys.argv[1] == "yes":
    assert return_large_blocks()
before = resident()
kept, begun = [], threading.Barrier(8)

def read(number):
    begun.wait()
    for round in range(5):
        segment = b"x" * (4 * LARGE - round * 65536)
        kept.append(bytes(100))
        del segment

threads = [threading.Thread(target=read, args=(n,)) for n in range(8)]
for each in threads: each.start()
for each in threads: each.join()
print(resident() - before)
"""


def grown(returning: str) -> int:
    ran = subprocess.run(
        [sys.executable, "-c", READING, returning], capture_output=True, text=True, check=True
    )
    return int(ran.stdout)


def test_large_blocks_go_back_when_they_are_free() -> None:
    if not return_large_blocks():
        pytest.skip("there is no glibc here")
    assert grown("yes") < 4_000_000
