"""Object storage: a local folder or any S3, everything in it encrypted."""

from core.storage.errors import ObjectDamaged, ObjectMissing, StorageError
from core.storage.storage import CHUNK_BYTES, ObjectInfo, Storage

__all__ = [
    "CHUNK_BYTES",
    "ObjectDamaged",
    "ObjectInfo",
    "ObjectMissing",
    "Storage",
    "StorageError",
]
