"""Password hashes: argon2id, made and checked in a thread because they are slow on purpose."""

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

#: RFC 9106, second recommended option: 3 passes over 64 MiB.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=4)

# At most this many run at once: each takes 64 MiB and a core.
_pool = ThreadPoolExecutor(4, thread_name_prefix="password")


@functools.cache
def _nobody() -> str:
    """What unknown accounts are checked against, so that they answer as slowly as known ones."""
    return _HASHER.hash("nobody has this password")


async def hash_password(password: str) -> str:
    """The encoded hash, with its parameters and salt."""
    return await asyncio.get_running_loop().run_in_executor(_pool, _HASHER.hash, password)


async def password_matches(encoded: str | None, password: str) -> bool:
    """Whether the password belongs to the hash; takes as long when there is no hash."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_pool, _matches, encoded, password)


def needs_rehash(encoded: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    try:
        return _HASHER.check_needs_rehash(encoded)
    except InvalidHashError:
        return True


def _matches(encoded: str | None, password: str) -> bool:
    try:
        _HASHER.verify(encoded or _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
    return encoded is not None
