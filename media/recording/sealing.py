"""The key with which a take is sealed on its way to the store, beside the journal on the disk.

A worker holds no keys of the house: whoever opens a call gives it the folder key of that call. The
key lies in the take's folder until the take is stored, as open to the worker's machine as the
journal itself, so that a take which outlives its worker can still be carried away.
"""

import os
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.crypto.container import FolderKey
from media.recording.frames import JournalError

NAME: Final = "seal.json"


class Seal(BaseModel):
    """A folder key as it travels and as it lies on the disk; `secret` is hexadecimal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern=r"^[A-Za-z0-9-]{1,40}$")
    secret: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)

    @classmethod
    def of(cls, key: FolderKey) -> "Seal":
        return cls(key=key.key_id, secret=key.secret.hex())

    def folder_key(self, folder: str) -> FolderKey:
        """The right to write in `folder`."""
        return FolderKey(folder, self.key, bytes.fromhex(self.secret))

    def as_dict(self) -> dict[str, Any]:
        return self.model_dump()


def write_seal(take: Path, seal: Seal) -> None:
    """Lay the key into a take's folder; one that is there stays."""
    partial = take / f".{NAME}"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(seal.as_dict()))
        file.flush()
        os.fsync(file.fileno())
    if (take / NAME).exists():
        partial.unlink()
    else:
        partial.rename(take / NAME)


def read_seal(take: Path) -> Seal | None:
    """The key in a take's folder; None when nobody has given one. Raises JournalError."""
    try:
        return Seal.model_validate_json((take / NAME).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise JournalError(f"{take / NAME} is damaged") from error
