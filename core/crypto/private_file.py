"""Small secret files: readable by their owner alone, written whole or not at all."""

import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from core.crypto.keys import KeyringError


def read_private_json(path: Path) -> Any:
    """The JSON of a file that only its owner may read.

    Raises `KeyringError` naming the file and what to do about it; `FileNotFoundError` passes.
    """
    try:
        status = path.stat()
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise KeyringError(f"The key file {path} is open to other users. Run: chmod 600 {path}")
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyringError(f"The key file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise KeyringError(f"The key file {path} is damaged: {error}.") from error


def write_private_json(path: Path, document: Any, *, exclusive: bool) -> None:
    """Write with mode 0600, complete at once, and on the disk when this returns.

    `exclusive` refuses an existing file. Raises `KeyringError`.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        if exclusive:
            # A hard link fails when the name exists and appears complete at once.
            os.link(partial, path)
        else:
            os.replace(partial, path)
        sync_folder(path.parent)
    except FileExistsError as error:
        raise KeyringError(f"The key file {path} exists already; it is kept.") from error
    except OSError as error:
        raise KeyringError(f"The key file {path} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
