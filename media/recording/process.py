"""Running a production as a child process: progress, cancellation, named failures."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from media.recording.orders import NothingToProduce, Order, Product, Result

STOP_SECONDS = 5.0
ERROR_BYTES = 4000
#: The longest line: the words of an hour, or the outline of a call.
LINE_BYTES = 16 * 1024 * 1024

OnProgress = Callable[[float], Awaitable[None]]


class ProductionFailed(Exception):
    """The child process failed; the message says why, for operators."""


class ChildFailed(Exception):
    """The child process failed; the message says why, for operators."""


async def run_production(order: Order, on_progress: OnProgress | None = None) -> Result:
    """Produce in a child process at low priority; cancelling the task ends the child.

    ``on_progress`` hears fractions from 0 to 1. Raises NothingToProduce and ProductionFailed.
    """
    out = Path(order.out)
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    paper = out / "order.json"
    await asyncio.to_thread(paper.write_text, json.dumps(asdict(order)), encoding="utf-8")
    try:
        last = await run_child("media.recording.production", paper, on_progress)
    except ChildFailed as error:
        raise ProductionFailed(str(error)) from error
    if "nothing" in last:
        raise NothingToProduce(last["nothing"])
    result = last["result"]
    return Result(**{**result, "products": [Product(**item) for item in result["products"]]})


async def run_child(
    module: str, paper: Path, on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """Run a module of ours with an order on paper; cancelling the task ends the process.

    It tells JSON lines: ``progress`` from 0 to 1, and at the end ``result``, ``nothing`` or
    ``failed``. Returns the line of the end. Raises ChildFailed.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        str(paper),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
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
    if "nothing" not in last and (process.returncode != 0 or "result" not in last):
        raise ChildFailed(last.get("failed") or said or f"exit code {process.returncode}")
    return last


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
