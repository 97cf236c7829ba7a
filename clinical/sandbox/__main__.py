"""The simulators as a process that imports nothing else: `python -m clinical.sandbox sandbox`.

The demo starts them so; `zhenjian sandbox` does the same and takes longer to begin.
"""

import asyncio

import uvloop
from pydantic import ValidationError

from clinical.sandbox.server import NotADemo, run_for
from core import logs
from core.config import Config


def main() -> None:
    try:
        config = Config()
        logs.configure(config.log_level, config.log_format, "sandbox")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run_for(config))
    except (NotADemo, ValidationError) as error:
        raise SystemExit(f"zhenjian sandbox: {error}") from error


if __name__ == "__main__":
    main()
