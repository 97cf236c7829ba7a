"""What a process loads: each import is paid at every start and in every process's memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("av", "PIL", "aiortc", "pocketsphinx", "sherpa_onnx")
LOAD = f"""
import sys
import app
from core.config import Config
app.all_modules(Config(_env_file=None, demo=True))
print(*[name for name in {HEAVY!r} if name in sys.modules])
"""


def test_a_web_process_starts_without_decoders_and_engines() -> None:
    told = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == []
