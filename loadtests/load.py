"""`make load SCENARIO=day`: a load scenario against a server of its own, or against yours.

Ends with 0 when every guarantee was kept, with 1 when one was broken or a request failed, with 2
for a run that is not allowed. See docs/how-to/load-tests.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from loadtests.bench_chat_world import found, serve
from loadtests.bench_common import ROOT
from loadtests.load_people import SCENARIOS, seed
from loadtests.scenarios.bounds import MAX_SECONDS, MAX_USERS, NotAllowed, check_host, check_size
from loadtests.scenarios.people import PEOPLE, SECONDS, write

#: For users to end what they are at when the time is up.
LAST_WORDS = 15
UI_PORT = 8089


def locust(scenario: str, users: int, seconds: float, host: str, *, ui: bool) -> list[str]:
    """The command that plays a scenario."""
    command = [sys.executable, "-m", "locust", "-f", f"loadtests/scenarios/{scenario}.py"]
    command += ["--host", host, "--users", str(users), "--spawn-rate", str(max(2, users // 5))]
    command += ["--stop-timeout", str(LAST_WORDS)]
    if ui:
        return [*command, "--web-host", "127.0.0.1", "--web-port", str(UI_PORT)]
    return [*command, "--headless", "--run-time", f"{seconds:g}s", "--only-summary"]


def environment(people: Path, seconds: float | None = None) -> dict[str, str]:
    """What a scenario reads. `seconds` ends a run that Locust itself would not end."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])
    least = {} if seconds is None else {SECONDS: f"{seconds:g}"}
    return {**os.environ, "PYTHONPATH": path, PEOPLE: str(people), **least}


def play(given: argparse.Namespace, people: Path, host: str) -> int:
    """Run Locust to its end; returns its exit code."""
    command = locust(given.scenario, given.users, given.seconds, host, ui=given.ui)
    if given.ui:
        print(f"http://127.0.0.1:{UI_PORT} — press Start there, Ctrl-C here ends it.", flush=True)
    try:
        run = subprocess.run(command, cwd=ROOT, env=environment(people, given.seconds), check=False)
    except KeyboardInterrupt:
        return 0
    return run.returncode


def play_here(given: argparse.Namespace) -> int:
    """Against a private server, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="zhenjian-load-") as folder:
        return asyncio.run(_play_here(given, Path(folder)))


async def _play_here(given: argparse.Namespace, folder: Path) -> int:
    world = await found(folder, 2)
    try:
        people = folder / "people.json"
        write(await seed(world.runtime, given.scenario, given.users), people)
        server = await serve(world, "zhenjian")
        try:
            return await asyncio.to_thread(play, given, people, f"http://127.0.0.1:{server.port}")
        finally:
            server.stop()
    finally:
        await world.runtime.engine.dispose()
        world.postgres.remove()


def main() -> int:
    parser = argparse.ArgumentParser(description="Load scenarios that check the guarantees.")
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--users", type=int, default=20, help=f"at most {MAX_USERS}")
    parser.add_argument("--seconds", type=float, default=60, help=f"at most {MAX_SECONDS}")
    parser.add_argument("--host", help="a server that runs; default: a private one")
    parser.add_argument("--people", type=Path, help="made by loadtests.load_people, with --host")
    parser.add_argument("--ui", action="store_true", help="Locust's web page instead of a report")
    given = parser.parse_args()
    try:
        check_size(given.users, given.seconds)
        if given.host is None:
            return play_here(given)
        check_host(given.host)
    except NotAllowed as problem:
        print(problem, file=sys.stderr)
        return 2
    if given.people is None:
        print("A server that runs needs --people.", file=sys.stderr)
        return 2
    return play(given, given.people, given.host)


if __name__ == "__main__":
    sys.exit(main())
