"""What the `zhenjian` command understands."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from core.crypto import commands as keys

MOST_NODES = 64


def command_line(version: str, commands: Mapping[str, str]) -> argparse.ArgumentParser:
    """A parser of the commands, each with a text whose first line says what it does."""
    parser = argparse.ArgumentParser(prog="zhenjian", description="Internet hospital server.")
    parser.add_argument("--version", action="version", version=f"zhenjian {version}")
    verbs = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in commands.items():
        verb = verbs.add_parser(name, help=text.splitlines()[0])
        if name == "check":
            _add_check(verb)
        if name == "serve":
            verb.add_argument(
                "--nodes", type=int, choices=range(1, MOST_NODES + 1), default=1, metavar="N",
                help="web processes, each on a port of its own from ZHENJIAN_PORT upwards",
            )  # fmt: skip
        if name in ("serve", "demo"):
            verb.add_argument(
                "--lan", action="store_true", help="HTTPS for phones on the local network"
            )
        if name == "keys":
            keys.add_arguments(verb)
    return parser


def _add_check(verb: argparse.ArgumentParser) -> None:
    what = ("configuration", "data", "integrity")
    verb.add_argument("what", nargs="?", choices=what, default="configuration")
    verb.add_argument("--all", action="store_true", help="data: a table of all classes")
    verb.add_argument(
        "--restart-anchors",
        metavar="REASON",
        help="integrity: after a backup was restored, begin the anchors anew",
    )
