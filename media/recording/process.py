"""Running a production as a child process: progress, cancellation, named failures."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from media.recording.production import NothingToProduce, Order, Product, Result

STOP_SECONDS = 5.0
ERROR_BYTES = 4000

OnProgress = Callable[[float], Awaitable[None]]


class ProductionFailed(Exception):
    """The child process failed; the message says why, for operators."""


async def run_production(order: Order, on_progress: OnProgress | None = None) -> Result:
    """Produce in a child process at low priority; cancelling the task ends the child.

    ``on_progress`` hears fractions from 0 to 1. Raises NothingToProduce and ProductionFailed.
    """
    out = Path(order.out)
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    paper = out / "order.json"
    await asyncio.to_thread(paper.write_text, json.dumps(asdict(order)), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "media.recording.production",
        str(paper),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    complaints = asyncio.create_task(_last_of(process.stderr))
    last: dict[str, Any] = {}
    try:
        async for line in process.stdout:
            last = json.loads(line)
            if "progress" in last and on_progress is not None:
                await on_progress(last["progress"])
        await process.wait()
    finally:
        await _end(process)
        said = await complaints
    if "nothing" in last:
        raise NothingToProduce(last["nothing"])
    if process.returncode != 0 or "result" not in last:
        raise ProductionFailed(last.get("failed") or said or f"exit code {process.returncode}")
    result = last["result"]
    return Result(**{**result, "products": [Product(**item) for item in result["products"]]})


async def _last_of(stream: asyncio.StreamReader) -> str:
    kept = b""
    while chunk := await stream.read(4096):
        kept = (kept + chunk)[-ERROR_BYTES:]
    return kept.decode(errors="replace").strip()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
