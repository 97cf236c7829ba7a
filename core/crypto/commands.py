"""`zhenjian keys …`: making, changing, backing up and restoring keys from the command line."""

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from core import audit
from core.clock import Clock
from core.config import Config
from core.crypto.backup import make_backup, refresh_backup
from core.crypto.destruction import destroy
from core.crypto.follow import announce
from core.crypto.kek import FileKek, kept_path
from core.crypto.keyring import Keyring
from core.crypto.keys import KeyringError, Purpose
from core.crypto.overview import RunLine, Warning, key_lines, overview
from core.crypto.recovery import drill, restore
from core.crypto.rotation import forget_kek, owners, rotate_kek, start_rotation
from core.crypto.vault import Vault
from core.errors import ProblemError
from core.runtime import Runtime

WARNINGS = {
    Warning.KEK_OLD: "The key-encryption key is old: zhenjian keys rotate --kek",
    Warning.NO_BACKUP: "There is no key backup: zhenjian keys backup",
    Warning.BACKUP_OLD: "The key backup is old: zhenjian keys backup",
    Warning.KEYS_UNCOVERED: "Some keys are in no backup: zhenjian keys backup",
    Warning.NO_DRILL: "A restore was never rehearsed: zhenjian keys drill",
    Warning.DRILL_OLD: "The last rehearsal of a restore is long ago: zhenjian keys drill",
    Warning.DRILL_FAILED: "The last rehearsal of a restore failed: zhenjian keys drill",
    Warning.OLD_KEY_FILE: "The old key file is still there: zhenjian keys confirm",
    Warning.CONVERTING: "Stored files of earlier versions are being encrypted.",
    Warning.RUN_WITH_FAILURES: "The last re-encryption left something behind: see the log.",
}


@dataclass(frozen=True)
class Surroundings:
    """What the commands are given: how to open a process, and for a restore a bare engine."""

    config: Config
    clock: Clock
    open_runtime: Callable[[], Awaitable[Runtime]]
    open_engine: Callable[[], Awaitable[AsyncEngine]]
    say: Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-commands; none makes a new key file."""
    verbs = parser.add_subparsers(dest="verb", metavar="verb")
    verbs.add_parser("list", help="every data key, without its secret")
    verbs.add_parser("status", help="key-encryption key, re-encryption, backup, drill, warnings")
    rotate = verbs.add_parser("rotate", help="change keys")
    what = rotate.add_mutually_exclusive_group(required=True)
    what.add_argument("--kek", action="store_true", help="the key-encryption key, at once")
    what.add_argument("--data", action="store_true", help="data keys; re-encrypts in background")
    rotate.add_argument("--hospital", type=UUID, help="only this hospital's data keys")
    rotate.add_argument("--group", action="store_true", help="only the group's data keys")
    backup = verbs.add_parser("backup", help="seal all keys for officers, a share for each")
    backup.add_argument("--officers", type=int, default=5, metavar="N")
    backup.add_argument("--needed", type=int, default=3, metavar="K")
    backup.add_argument("--folder", type=Path, required=True)
    backup.add_argument("--refresh", action="store_true", help="write new keys to the same set")
    for name, text in (
        ("restore", "new key-encryption key from shares and backup"),
        ("drill", "prove that a restore would work, without changing anything"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("--folder", type=Path, required=True, help="folder of the backup")
        verb.add_argument("--shares", type=Path, nargs="+", required=True, metavar="FILE")
        if name == "restore":
            verb.add_argument("--accept-loss", action="store_true")
    verbs.add_parser("confirm", help="remove the old key file, which was taken in")
    forget = verbs.add_parser("forget", help="destroy an old key-encryption key")
    forget.add_argument("kek")
    away = verbs.add_parser("destroy", help="destroy a retired data key that nothing uses")
    away.add_argument("key", metavar="purpose:id")


async def run(given: argparse.Namespace, around: Surroundings) -> None:
    """Carry out what the command line asks for. Raises `KeyringError`."""
    if given.verb is None:
        FileKek.create_file(around.config.keys, around.clock.now())
        around.say(f"Wrote {around.config.keys}: keep a copy apart from the database's backup.")
        return
    if given.verb == "restore":
        await _restore(given, around)
        return
    verbs = {
        "list": _list,
        "status": _status,
        "rotate": _rotate,
        "backup": _backup,
        "drill": _drill,
        "confirm": _confirm,
        "forget": _forget,
        "destroy": _destroy,
    }
    runtime = await around.open_runtime()
    try:
        await verbs[given.verb](given, around, runtime)
    except ProblemError as error:
        raise KeyringError(f"{error.title} {error.detail or ''}".strip()) from error
    finally:
        await runtime.engine.dispose()


async def _list(given: argparse.Namespace, around: Surroundings, runtime: Runtime) -> None:
    async with runtime.unit_of_work() as uow:
        for line in await key_lines(uow):
            owner = str(line.hospital_id or "group")
            backed = "backed up" if line.backed_up else "not in a backup"
            around.say(
                f"{line.purpose:<7}{line.id:<28}{owner:<38}{line.period or '-':<9}"
                f"{line.stage:<11}{_day(line.active_from or line.created_at)}  {backed}"
            )


async def _status(given: argparse.Namespace, around: Surroundings, runtime: Runtime) -> None:
    async with runtime.unit_of_work() as uow:
        found = await overview(uow, old_key_file=kept_path(around.config.keys).exists())
    say = around.say
    if found.kek is not None:
        say(f"Key-encryption key: {found.kek.id} ({found.kek.provider}), "
            f"since {_day(found.kek.activated_at)}")  # fmt: skip
    for run_line in found.runs:
        say(f"Re-encryption {run_line.run.kind} of {_day(run_line.run.started_at)}: "
            f"{run_line.run.state}, {run_line.done:.0%}{_failures(run_line)}")  # fmt: skip
    if found.backup is not None:
        say(f"Backup: {found.backup.id} of {_day(found.backup.at)}, "
            f"{found.backup.needed} of {found.backup.officers} shares")  # fmt: skip
    if found.drill is not None:
        say(f"Drill: {_day(found.drill.at)}, {'passed' if found.drill.ok else 'failed'}")
    for warning in found.warnings:
        say(f"Warning: {WARNINGS[warning]}")


def _failures(line: RunLine) -> str:
    return f", {line.failed} left behind" if line.failed else ""


async def _rotate(given: argparse.Namespace, around: Surroundings, runtime: Runtime) -> None:
    vault = runtime.port(Vault)
    if given.kek:
        async with runtime.unit_of_work() as uow:
            new = await rotate_kek(uow.session, vault)
            await audit.record(uow, None, "keys.rotate_kek", "key_encryption_key", new.id)
        around.say(
            f"All keys are wrapped with {new.id} now. Copy {around.config.keys} to the other "
            "machines and keep a copy; the old version stays in it until 'zhenjian keys forget'."
            if new.provider == "file"
            else f"All keys are wrapped with {new.id} of the module now."
        )
        return
    async with runtime.unit_of_work() as uow:
        every = await owners(uow.session)
        if given.hospital is not None and given.hospital not in every:
            raise KeyringError(f"There is no hospital {given.hospital}.")
        scope = [given.hospital] if given.hospital else [None] if given.group else every
        run_ = await start_rotation(uow, vault, scope)
        await audit.record(uow, None, "keys.rotate", "key_run", run_.id, hospital_id=given.hospital)
    await runtime.bus.start()
    await announce(runtime)
    await runtime.bus.stop()
    around.say(
        f"New keys write from {run_.begin_at:%H:%M} UTC on; then the workers re-encrypt. "
        "'zhenjian keys status' shows how far they are."
    )


async def _backup(given: argparse.Namespace, around: Surroundings, runtime: Runtime) -> None:
    if given.refresh:
        count = await refresh_backup(runtime, given.folder)
        around.say(f"The backup in {given.folder} holds {count} keys.")
        return
    backup, files = await make_backup(
        runtime, given.folder, officers=given.officers, needed=given.needed
    )
    around.say(
        f"Set {backup.id}: any {backup.needed} of {backup.officers} shares restore all keys."
    )
    for path in files:
        around.say(f"  {path}")
    around.say(
        "Give every officer one share and delete it here; keep the backup with the database's."
    )


async def _drill(given: argparse.Namespace, around: Surroundings, runtime: Runtime) -> None:
    done = await drill(runtime, folder=given.folder, shares=given.shares)
    if not done.ok:
        raise KeyringError(f"The drill failed: {done.detail.get('problem')}")
    around.say(
        f"The drill passed: {done.detail['keys']} keys, {done.detail['cells']} cells and "
        f"{done.detail['files']} files opened."
    )


async def _restore(given: argparse.Namespace, around: Surroundings) -> None:
    engine = await around.open_engine()
    try:
        done = await restore(
            around.config,
            engine,
            around.clock,
            folder=given.folder,
            shares=given.shares,
            accept_loss=given.accept_loss,
        )
    finally:
        await engine.dispose()
    runtime = await around.open_runtime()
    try:
        async with runtime.unit_of_work() as uow:
            detail = {"keys": done.keys, "lost": done.lost}
            await audit.record(
                uow, None, "keys.restore", "key_encryption_key", done.kek_id, detail=detail
            )
    finally:
        await runtime.engine.dispose()
    around.say(f"{done.keys} keys are wrapped with {done.kek_id}; {done.lost} were given up.")
    around.say("Copy the key file to the other machines, start, and make a new backup.")


async def _confirm(given: argparse.Namespace, around: Surroundings, runtime: Runtime) -> None:
    kept = kept_path(around.config.keys)
    if not kept.exists():
        raise KeyringError("There is no old key file to confirm.")
    for purpose, key in Keyring.load(kept).all_keys():
        if runtime.keyring.find(purpose, key.id).secret != key.secret:
            raise KeyringError(f"The key '{purpose}:{key.id}' of {kept} is not the database's.")
    async with runtime.unit_of_work() as uow:
        await audit.record(uow, None, "keys.confirm", "key_file", kept.name)
    kept.unlink()
    around.say(f"Every key of {kept} is in the database; the file is gone.")


async def _forget(given: argparse.Namespace, around: Surroundings, runtime: Runtime) -> None:
    async with runtime.unit_of_work() as uow:
        await audit.record(uow, None, "keys.forget_kek", "key_encryption_key", given.kek)
        await forget_kek(uow.session, runtime.port(Vault), given.kek)
    around.say(
        f"{given.kek} is gone: backups of the database that need it cannot be read any more."
    )


async def _destroy(given: argparse.Namespace, around: Surroundings, runtime: Runtime) -> None:
    name, _, key_id = given.key.partition(":")
    if name not in set(Purpose):
        raise KeyringError("Name the key as purpose:id, as 'zhenjian keys list' shows it.")
    await destroy(runtime, Purpose(name), key_id)
    around.say(f"{given.key} is destroyed.")


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
