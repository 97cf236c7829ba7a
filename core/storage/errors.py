"""What can go wrong with stored objects."""

from obstore.exceptions import NotFoundError


class StorageError(Exception):
    """The storage did not do what was asked; trying again may help."""


class ObjectMissing(StorageError):
    """There is no object under this key."""


class ObjectDamaged(StorageError):
    """The object does not open: changed, cut short, exchanged, or sealed with an unknown key."""


def translated(key: str, error: Exception) -> StorageError:
    """The storage's own failure as ours."""
    if isinstance(error, NotFoundError | FileNotFoundError):
        return ObjectMissing(f"There is no object '{key}'.")
    return StorageError(f"Reading '{key}' failed: {error}")
