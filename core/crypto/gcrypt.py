"""SM4-GCM and SM3 of libgcrypt, through ctypes: several times as fast as OpenSSL on x86-64.

The library comes with Debian and Ubuntu (systemd and apt use it). It is found, initialised and held
against known answers once; where that fails `NotUsable` says why, and `core.crypto.sm` goes on with
OpenSSL. A cipher handle keeps the schedule of its key, which costs as much as a short message, so
handles are kept for the keys that were used last.

What is short is done under the interpreter's lock: to give it back and queue for it again takes
longer. What is long lets other threads run.
"""

import atexit
import ctypes
import threading
from collections.abc import Sequence
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_void_p
from typing import Any, Final

KEY_BYTES: Final = 16
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
DIGEST_BYTES: Final = 32

NAMES: Final = ("libgcrypt.so.20", "libgcrypt.20.dylib")
#: The first version with SM4 and SM3.
OLDEST: Final = "1.9.0"

# From gcrypt.h.
_SM4, _SM3, _GCM = 318, 326, 9
_TEST_ALGORITHM, _DISABLE_SECURE_MEMORY, _FINISHED, _IS_FINISHED = 8, 37, 38, 39
# From gpg-error.h; the upper half of a return value names the library that it comes from.
_CODE: Final = 0xFFFF
_CHECKSUM: Final = 10

#: What is not longer is worked on in a handle's own memory, and under the interpreter's lock.
_SHORT: Final = 4096
#: The same for a digest.
_SHORT_DIGEST: Final = 8192
#: Each takes 6 KB.
MOST_HANDLES: Final = 256

#: Name, type of the result, types of the arguments (the fixed ones: gcry_control takes any more).
_FUNCTIONS: Final[tuple[tuple[str, Any, tuple[Any, ...]], ...]] = (
    ("gcry_check_version", c_char_p, (c_char_p,)),
    ("gcry_control", c_uint, (c_int,)),
    ("gcry_strerror", c_char_p, (c_uint,)),
    ("gcry_cipher_algo_info", c_uint, (c_int, c_int, c_void_p, c_void_p)),
    ("gcry_cipher_open", c_uint, (c_void_p, c_int, c_int, c_uint)),
    ("gcry_cipher_close", None, (c_void_p,)),
    ("gcry_cipher_setkey", c_uint, (c_void_p, c_char_p, c_size_t)),
    ("gcry_cipher_setiv", c_uint, (c_void_p, c_char_p, c_size_t)),
    ("gcry_cipher_authenticate", c_uint, (c_void_p, c_char_p, c_size_t)),
    ("gcry_cipher_encrypt", c_uint, (c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)),
    ("gcry_cipher_decrypt", c_uint, (c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)),
    ("gcry_cipher_gettag", c_uint, (c_void_p, c_void_p, c_size_t)),
    ("gcry_cipher_checktag", c_uint, (c_void_p, c_void_p, c_size_t)),
    ("gcry_md_algo_info", c_uint, (c_int, c_int, c_void_p, c_void_p)),
    ("gcry_md_hash_buffer", None, (c_int, c_void_p, c_char_p, c_size_t)),
)

_make_bytes = ctypes.pythonapi.PyBytes_FromStringAndSize
_make_bytes.restype, _make_bytes.argtypes = ctypes.py_object, (c_char_p, ctypes.c_ssize_t)

#: RFC 8998, A.1: key, nonce, plaintext, additional data, ciphertext with tag.
KNOWN_SEALED: Final = (
    bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"),
    bytes.fromhex("00001234567800000000ABCD"),
    b"".join(bytes([byte]) * 8 for byte in b"\xaa\xbb\xcc\xdd\xee\xff\xee\xaa"),
    bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2"),
    bytes.fromhex(
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
        "83DE3541E4C2B58177E065A9BF7B62EC"
    ),
)
#: GB/T 32905, A.1.
KNOWN_DIGEST: Final = (
    b"abc",
    bytes.fromhex("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
)


class NotUsable(Exception):
    """libgcrypt is missing, too old, without the algorithms, or wrong; the text says which."""


class GcryptError(RuntimeError):
    """libgcrypt refused a call; the text names the call and the reason."""


class _Handle:
    """A cipher handle that holds one key, with memory for short messages. For one message at a
    time, of any thread.
    """

    __slots__ = ("_close", "place", "pointer", "room")

    def __init__(self, library: "Gcrypt", key: bytes) -> None:
        opened, self.pointer = c_void_p(), 0
        self._close = library.short.gcry_cipher_close
        if failure := library.short.gcry_cipher_open(byref(opened), _SM4, _GCM, 0):
            raise library.refused("gcry_cipher_open", failure)
        self.pointer = opened.value or 0
        if failure := library.short.gcry_cipher_setkey(self.pointer, key, KEY_BYTES):
            raise library.refused("gcry_cipher_setkey", failure)
        self.room: Any = ctypes.create_string_buffer(_SHORT + TAG_BYTES)
        self.place = ctypes.addressof(self.room)

    def __del__(self) -> None:
        # The library wipes the schedule of the key.
        if self.pointer:
            self._close(self.pointer)


class Gcrypt:
    """The library, initialised. Safe to use from all threads."""

    def __init__(self, name: str) -> None:
        """Raises OSError when there is no such library, AttributeError when it lacks a function."""
        self.short: Any = _typed(ctypes.PyDLL(name))
        self.long: Any = _typed(ctypes.CDLL(name))
        # The first call of all; it also prepares the library's own locks.
        self.version = (self.short.gcry_check_version(None) or b"").decode()
        self._lock = threading.Lock()
        self._kept: dict[bytes, _Handle] = {}
        if not self.short.gcry_control(_IS_FINISHED, 0):
            self.short.gcry_control(_DISABLE_SECURE_MEMORY, 0)
            self.short.gcry_control(_FINISHED, 0)

    def is_at_least(self, version: str) -> bool:
        return self.short.gcry_check_version(version.encode()) is not None

    def knows_algorithms(self) -> bool:
        """Whether SM4 and SM3 are compiled in and allowed: in FIPS mode they are not."""
        test = _TEST_ALGORITHM
        unknown = self.short.gcry_cipher_algo_info(
            _SM4, test, None, None
        ) or self.short.gcry_md_algo_info(_SM3, test, None, None)
        return not unknown

    def refused(self, function: str, failure: int) -> GcryptError:
        """The error to raise for a call that failed."""
        reason = self.short.gcry_strerror(failure).decode(errors="replace")
        return GcryptError(f"{function}: {reason} ({failure & _CODE})")

    # SM4-GCM.

    def seal(self, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Ciphertext and tag. Raises ValueError for a key or nonce of a wrong size."""
        size = len(plaintext)
        if size > _SHORT:
            return self.seal_run(key, (nonce,), plaintext, size, aad)
        handle = self._take(key)
        pointer, place = handle.pointer, handle.place
        self._begin(pointer, nonce, aad)
        if failure := self.short.gcry_cipher_encrypt(pointer, place, size, plaintext, size):
            raise self.refused("gcry_cipher_encrypt", failure)
        if failure := self.short.gcry_cipher_gettag(pointer, place + size, TAG_BYTES):
            raise self.refused("gcry_cipher_gettag", failure)
        sealed: bytes = handle.room[: size + TAG_BYTES]
        self._keep(key, handle)
        return sealed

    def open(self, key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes | None:
        """The plaintext of ciphertext and tag; None when the tag does not fit, and nothing of the
        plaintext leaves this function then. Raises ValueError for wrong sizes.
        """
        size = len(sealed) - TAG_BYTES
        if not 0 <= size <= _SHORT:
            return self.open_run(key, (nonce,), sealed, size, aad)
        handle = self._take(key)
        pointer = handle.pointer
        self._begin(pointer, nonce, aad)
        if failure := self.short.gcry_cipher_decrypt(pointer, handle.place, size, sealed, size):
            raise self.refused("gcry_cipher_decrypt", failure)
        if not self._fits(self.short.gcry_cipher_checktag(pointer, sealed[size:], TAG_BYTES)):
            return None
        plaintext: bytes = handle.room[:size]
        self._keep(key, handle)
        return plaintext

    def seal_run(
        self,
        key: bytes,
        nonces: Sequence[bytes],
        plaintext: bytes,
        piece: int,
        aad: bytes,
        head: bytes = b"",
    ) -> bytes:
        """`head` as it is, and behind it the plaintext in pieces of `piece` bytes, the last one the
        rest, each with its nonce and followed by its tag. Raises ValueError for wrong sizes.
        """
        left = len(plaintext)
        require_pieces(nonces, left, piece)
        sealed, place = _fresh(len(head) + left + TAG_BYTES * len(nonces))
        ctypes.memmove(place, head, len(head))
        place += len(head)
        source = _address(plaintext)
        handle = self._take(key)
        for nonce in nonces:
            size = min(piece, left)
            self._begin(handle.pointer, nonce, aad)
            if failure := self.long.gcry_cipher_encrypt(handle.pointer, place, size, source, size):
                raise self.refused("gcry_cipher_encrypt", failure)
            if failure := self.short.gcry_cipher_gettag(handle.pointer, place + size, TAG_BYTES):
                raise self.refused("gcry_cipher_gettag", failure)
            place, source, left = place + size + TAG_BYTES, source + size, left - size
        self._keep(key, handle)
        return sealed

    def open_run(
        self, key: bytes, nonces: Sequence[bytes], sealed: bytes, piece: int, aad: bytes
    ) -> bytes | None:
        """The plaintext of what `seal_run` made without a head; None when a tag does not fit, and
        nothing of the plaintext leaves this function then. Raises ValueError for wrong sizes.
        """
        left = len(sealed) - TAG_BYTES * len(nonces)
        require_pieces(nonces, left, piece)
        plaintext, place = _fresh(left)
        source = _address(sealed)
        handle = self._take(key)
        for nonce in nonces:
            size = min(piece, left)
            self._begin(handle.pointer, nonce, aad)
            if failure := self.long.gcry_cipher_decrypt(handle.pointer, place, size, source, size):
                raise self.refused("gcry_cipher_decrypt", failure)
            tag = source + size
            if not self._fits(self.short.gcry_cipher_checktag(handle.pointer, tag, TAG_BYTES)):
                return None
            place, source, left = place + size, tag + TAG_BYTES, left - size
        self._keep(key, handle)
        return plaintext

    def _begin(self, pointer: int, nonce: bytes, aad: bytes) -> None:
        """Begin a message. A new nonce does away with all that is left of the one before."""
        if len(nonce) != NONCE_BYTES:
            raise ValueError("SM4-GCM takes a nonce of 12 bytes.")
        if failure := self.short.gcry_cipher_setiv(pointer, nonce, NONCE_BYTES):
            raise self.refused("gcry_cipher_setiv", failure)
        if aad and (failure := self.short.gcry_cipher_authenticate(pointer, aad, len(aad))):
            raise self.refused("gcry_cipher_authenticate", failure)

    def _fits(self, failure: int) -> bool:
        """What the look at a tag says."""
        if failure and failure & _CODE != _CHECKSUM:
            raise self.refused("gcry_cipher_checktag", failure)
        return not failure

    def _take(self, key: bytes) -> _Handle:
        """A handle with this key, for nobody else until it is kept again. One whose message failed
        is not: it closes by itself.
        """
        if len(key) != KEY_BYTES:
            raise ValueError("SM4 takes a key of 16 bytes.")
        with self._lock:
            handle = self._kept.pop(key, None)
        return handle or _Handle(self, key)

    def _keep(self, key: bytes, handle: _Handle) -> None:
        """Keep a handle for the next who uses this key; of two that were in use at once, one."""
        with self._lock:
            self._kept[key] = handle
            if len(self._kept) > MOST_HANDLES:
                # Each use moves its key to the end.
                del self._kept[next(iter(self._kept))]

    @property
    def handles(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def holds(self, key: bytes) -> bool:
        """Whether a handle with this key is kept."""
        return key in self._kept

    def forget(self) -> None:
        """Close all handles that nobody uses at the moment; their keys are wiped."""
        with self._lock:
            self._kept.clear()

    # SM3.

    def sm3(self, data: bytes) -> bytes:
        """The 32-byte digest."""
        digest = ctypes.create_string_buffer(DIGEST_BYTES)
        calls = self.short if len(data) <= _SHORT_DIGEST else self.long
        calls.gcry_md_hash_buffer(_SM3, digest, data, len(data))
        return digest.raw


def pieces(size: int, piece: int) -> int:
    """How many pieces of `piece` bytes a plaintext of this size takes; 0 for a negative one."""
    return 0 if size < 0 else max(1, -(-size // piece))


def require_pieces(nonces: Sequence[bytes], size: int, piece: int) -> None:
    """Raises ValueError when there is not a nonce for each piece."""
    if len(nonces) != pieces(size, piece):
        raise ValueError("Each piece has a nonce of its own.")


def _fresh(size: int) -> tuple[bytes, int]:
    """Bytes that nobody has seen yet, and where they lie, to be written once: so what is long is
    not copied. CPython's documentation of PyBytes_FromStringAndSize allows that.
    """
    made: bytes = _make_bytes(None, size)
    return made, _address(made)


def _address(data: bytes) -> int:
    return ctypes.cast(c_char_p(data), c_void_p).value or 0


def _typed(library: ctypes.CDLL) -> ctypes.CDLL:
    for name, result, arguments in _FUNCTIONS:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def load(names: Sequence[str] = NAMES, oldest: str = OLDEST) -> Gcrypt:
    """The library, tried and held against known answers. Raises NotUsable."""
    tried = []
    for name in names:
        try:
            library = Gcrypt(name)
        except (OSError, AttributeError) as error:
            tried.append(f"{name} ({error})")
            continue
        if not library.is_at_least(oldest):
            raise NotUsable(f"libgcrypt {library.version} is older than {oldest}")
        if not library.knows_algorithms():
            raise NotUsable(f"libgcrypt {library.version} offers no SM4 and SM3")
        try:
            answers = answers_well(library)
        except GcryptError as error:
            raise NotUsable(f"libgcrypt {library.version}: {error}") from error
        if not answers:
            raise NotUsable(f"libgcrypt {library.version} gives wrong answers")
        atexit.register(library.forget)
        return library
    raise NotUsable(f"libgcrypt is missing: {'; '.join(tried)}")


def answers_well(library: Gcrypt) -> bool:
    """Whether the library gives the answers of the standards, refuses what was changed, and begins
    anew with each message although a handle is kept. Raises GcryptError.
    """
    key, nonce, plaintext, aad, sealed = KNOWN_SEALED
    message, digest = KNOWN_DIGEST
    long = plaintext * (_SHORT // len(plaintext) + 1) + b"and a part of a block"
    return (
        library.seal(key, nonce, plaintext, aad) == sealed
        and library.open(key, nonce, library.seal(key, nonce, long, b""), b"") == long
        and library.open(key, nonce, sealed[:-1] + bytes([sealed[-1] ^ 1]), aad) is None
        and library.open(key, nonce, sealed, aad[1:]) is None
        and library.seal(key, nonce, plaintext, aad) == sealed
        and library.open(key, nonce, sealed, aad) == plaintext
        and library.sm3(message) == digest
    )
