"""Large blocks of memory go back to the system as soon as they are free."""

from __future__ import annotations

import ctypes
from typing import Final

#: From glibc's malloc.h.
_MMAP_THRESHOLD: Final = -3
#: Bytes from which on a block is one of its own.
LARGE: Final = 1024 * 1024


def return_large_blocks() -> bool:
    """Keep glibc from keeping them; False where there is no glibc.

    It makes large blocks of their own mappings, until the first of them is freed: then it takes
    that size for usual, and keeps so much for every thread that has used it. The segments of a
    recording are such blocks, a few megabytes, now and then.
    """
    library = ctypes.CDLL(None)
    return hasattr(library, "mallopt") and library.mallopt(_MMAP_THRESHOLD, LARGE) == 1
