"""The few functions of OpenSSL's libcrypto that SM2 needs, through ctypes.

ctypes gives the GIL back during every call, so signatures run on all cores. The library is the one
that Python's own `ssl` uses where that is OpenSSL 3 or newer; else the system's. Each call that
fails leaves entries in a queue of its thread, which `ssl` looks at too: they are always cleared.
"""

import ctypes
import ctypes.util
from collections.abc import Iterator
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_size_t, c_ulong, c_void_p
from functools import cache
from typing import Any, Final

OLDEST = 0x30000000
_NAMES = ("libcrypto.so.3", "libcrypto.so.4", "libcrypto.3.dylib", "libcrypto-3-x64.dll")

_SIZE = POINTER(c_size_t)
#: Name, type of the result, types of the arguments.
_FUNCTIONS: Final[tuple[tuple[str, Any, tuple[Any, ...]], ...]] = (
    ("OpenSSL_version_num", c_ulong, ()),
    ("OpenSSL_version", c_char_p, (c_int,)),
    ("ERR_get_error", c_ulong, ()),
    ("ERR_error_string_n", None, (c_ulong, c_char_p, c_size_t)),
    ("ERR_clear_error", None, ()),
    ("EVP_PKEY_free", None, (c_void_p,)),
    ("EVP_PKEY_CTX_free", None, (c_void_p,)),
    ("EVP_PKEY_CTX_new_from_name", c_void_p, (c_void_p, c_char_p, c_void_p)),
    ("EVP_PKEY_CTX_new_from_pkey", c_void_p, (c_void_p, c_void_p, c_void_p)),
    ("EVP_PKEY_is_a", c_int, (c_void_p, c_char_p)),
    ("EVP_PKEY_keygen_init", c_int, (c_void_p,)),
    ("EVP_PKEY_generate", c_int, (c_void_p, POINTER(c_void_p))),
    ("EVP_PKEY_sign_init", c_int, (c_void_p,)),
    ("EVP_PKEY_sign", c_int, (c_void_p, c_char_p, _SIZE, c_char_p, c_size_t)),
    ("EVP_PKEY_verify_init", c_int, (c_void_p,)),
    ("EVP_PKEY_verify", c_int, (c_void_p, c_char_p, c_size_t, c_char_p, c_size_t)),
    ("EVP_PKEY_encrypt_init", c_int, (c_void_p,)),
    ("EVP_PKEY_encrypt", c_int, (c_void_p, c_char_p, _SIZE, c_char_p, c_size_t)),
    ("EVP_PKEY_decrypt_init", c_int, (c_void_p,)),
    ("EVP_PKEY_decrypt", c_int, (c_void_p, c_char_p, _SIZE, c_char_p, c_size_t)),
    ("d2i_AutoPrivateKey", c_void_p, (c_void_p, POINTER(c_char_p), c_long)),
    ("d2i_PUBKEY", c_void_p, (c_void_p, POINTER(c_char_p), c_long)),
    ("i2d_PUBKEY", c_int, (c_void_p, c_void_p)),
    ("i2d_PrivateKey", c_int, (c_void_p, c_void_p)),
)


class NativeLibraryMissing(RuntimeError):
    """There is no OpenSSL 3 with SM2 on this machine; the text says what was tried."""


class NativeError(RuntimeError):
    """libcrypto refused; the text is its own reason."""


class LibCrypto:
    """The functions by their C names, typed, and the reasons for failures."""

    def __init__(self, library: ctypes.CDLL) -> None:
        for name, result, arguments in _FUNCTIONS:
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"libcrypto's {name} is not declared.")

    @property
    def version(self) -> str:
        """`OpenSSL 3.0.19 27 Jan 2026`."""
        return str(self.OpenSSL_version(0).decode())

    def failure(self, what: str) -> NativeError:
        """The error to raise for a call that failed; empties this thread's queue."""
        code = self.ERR_get_error()
        text = ctypes.create_string_buffer(256)
        if code:
            self.ERR_error_string_n(code, text, len(text))
        self.ERR_clear_error()
        return NativeError(f"{what}: {text.value.decode(errors='replace') or 'no reason given'}")


@cache
def libcrypto() -> LibCrypto:
    """The library, found and tried once. Raises NativeLibraryMissing."""
    tried = []
    for name in _candidates():
        try:
            library = LibCrypto(ctypes.CDLL(name))
        except (OSError, AttributeError) as error:
            tried.append(f"{name} ({error})")
            continue
        if library.OpenSSL_version_num() < OLDEST:
            tried.append(f"{name} (too old: {library.version})")
        elif not _knows_sm2(library):
            tried.append(f"{name} ({library.version} without SM2)")
        else:
            return library
    raise NativeLibraryMissing(
        "SM2 needs OpenSSL 3 or newer with the SM2 algorithm (Debian: apt install libssl3). "
        f"Tried: {'; '.join(tried)}."
    )


def _candidates() -> Iterator[str]:
    try:
        import _ssl
    except ImportError:  # A Python without ssl.
        pass
    else:
        # Looking a symbol up in an extension finds it in the libraries that it is linked with.
        if getattr(_ssl, "__file__", None):
            yield _ssl.__file__
    yield from _NAMES
    found = ctypes.util.find_library("crypto")
    if found:
        yield found


def _knows_sm2(library: LibCrypto) -> bool:
    context = library.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
    if not context:
        library.ERR_clear_error()
        return False
    library.EVP_PKEY_CTX_free(context)
    return True


class NativeKey:
    """An EVP_PKEY of type SM2 with contexts that are kept for reuse, one per call under way."""

    __slots__ = ("_contexts", "_lib", "_pointer")

    def __init__(self, pointer: int) -> None:
        self._lib = libcrypto()
        self._pointer = pointer
        self._contexts: dict[str, list[int]] = {"sign": [], "verify": []}

    def __del__(self) -> None:
        for context in (c for kept in self._contexts.values() for c in kept):
            self._lib.EVP_PKEY_CTX_free(context)
        self._lib.EVP_PKEY_free(self._pointer)

    @classmethod
    def generate(cls) -> "NativeKey":
        """A fresh key pair. Raises NativeError."""
        lib, made = libcrypto(), c_void_p()
        context = lib.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
        try:
            if lib.EVP_PKEY_keygen_init(context) != 1:
                raise lib.failure("SM2 key generation")
            if lib.EVP_PKEY_generate(context, byref(made)) != 1 or made.value is None:
                raise lib.failure("SM2 key generation")
        finally:
            lib.EVP_PKEY_CTX_free(context)
        return cls(made.value)

    @classmethod
    def private(cls, der: bytes) -> "NativeKey":
        """From an EC private key or PKCS#8 in DER. Raises NativeError."""
        return cls._load("d2i_AutoPrivateKey", der)

    @classmethod
    def public(cls, der: bytes) -> "NativeKey":
        """From a SubjectPublicKeyInfo in DER. Raises NativeError."""
        return cls._load("d2i_PUBKEY", der)

    @classmethod
    def _load(cls, function: str, der: bytes) -> "NativeKey":
        lib = libcrypto()
        place = c_char_p(der)
        pointer = getattr(lib, function)(None, byref(place), len(der))
        # A decoder that was tried in vain leaves its complaint even when another succeeded.
        if not pointer:
            raise lib.failure("SM2 key")
        lib.ERR_clear_error()
        key = cls(pointer)
        if lib.EVP_PKEY_is_a(pointer, b"SM2") != 1:
            raise NativeError("SM2 key: the key is of another curve")
        return key

    def public_der(self) -> bytes:
        """The SubjectPublicKeyInfo."""
        return self._dump(self._lib.i2d_PUBKEY)

    def private_der(self) -> bytes:
        """The EC private key (SEC1)."""
        return self._dump(self._lib.i2d_PrivateKey)

    def _dump(self, function: Any) -> bytes:
        size = function(self._pointer, None)
        if size <= 0:
            raise self._lib.failure("SM2 key")
        buffer = ctypes.create_string_buffer(size)
        # The function moves the pointer whose address it is given.
        place = c_void_p(ctypes.addressof(buffer))
        if function(self._pointer, byref(place)) != size:
            raise self._lib.failure("SM2 key")
        return buffer.raw

    def sign(self, digest: bytes) -> bytes:
        """The DER signature of a 32-byte digest. Raises NativeError."""
        context = self._context("sign", self._lib.EVP_PKEY_sign_init)
        # Two integers of at most 33 bytes with their headers.
        buffer, size = ctypes.create_string_buffer(80), c_size_t(80)
        done = self._lib.EVP_PKEY_sign(context, buffer, byref(size), digest, len(digest))
        if done != 1:
            self._lib.EVP_PKEY_CTX_free(context)
            raise self._lib.failure("SM2 signature")
        self._contexts["sign"].append(context)
        return buffer.raw[: size.value]

    def verify(self, signature: bytes, digest: bytes) -> bool:
        """Whether the DER signature is this key's over the 32-byte digest."""
        context = self._context("verify", self._lib.EVP_PKEY_verify_init)
        answer = self._lib.EVP_PKEY_verify(context, signature, len(signature), digest, len(digest))
        self._contexts["verify"].append(context)
        if answer != 1:
            self._lib.ERR_clear_error()
        return bool(answer == 1)

    def encrypt(self, plaintext: bytes) -> bytes:
        """The ASN.1 ciphertext (C1, C3, C2). Raises NativeError."""
        lib = self._lib
        return self._transform(lib.EVP_PKEY_encrypt_init, lib.EVP_PKEY_encrypt, plaintext)

    def decrypt(self, ciphertext: bytes) -> bytes:
        """The plaintext of an ASN.1 ciphertext. Raises NativeError."""
        lib = self._lib
        return self._transform(lib.EVP_PKEY_decrypt_init, lib.EVP_PKEY_decrypt, ciphertext)

    def _transform(self, begin: Any, function: Any, data: bytes) -> bytes:
        context = self._fresh(begin)
        try:
            size = c_size_t(0)
            if function(context, None, byref(size), data, len(data)) != 1:
                raise self._lib.failure("SM2 encryption")
            buffer = ctypes.create_string_buffer(max(size.value, 1))
            if function(context, buffer, byref(size), data, len(data)) != 1:
                raise self._lib.failure("SM2 encryption")
            return buffer.raw[: size.value]
        finally:
            self._lib.EVP_PKEY_CTX_free(context)

    def _context(self, use: str, begin: Any) -> int:
        try:
            # Taking from a list is atomic, so two threads never get one context.
            return self._contexts[use].pop()
        except IndexError:
            return self._fresh(begin)

    def _fresh(self, begin: Any) -> int:
        context: int | None = self._lib.EVP_PKEY_CTX_new_from_pkey(None, self._pointer, None)
        if not context:
            raise self._lib.failure("SM2")
        if begin(context) != 1:
            self._lib.EVP_PKEY_CTX_free(context)
            raise self._lib.failure("SM2")
        return context
