"""The key-encryption key in a hardware module, by PKCS#11.

The module keeps AES-256 keys that cannot be taken out; a data key is wrapped with AES key wrap
(RFC 3394, `CKM_AES_KEY_WRAP`), because modules offer that and few offer SM4. Key wrap has no place
for a context, so what is wrapped is the secret followed by the SM3 digest of its binding. Every
version is an object with the configured label and an id of its own.

One session is kept in a process and used under a lock: the calls are few (a start, a new key, a
rotation).
"""

import secrets
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path
from typing import Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.types import UnwrapMixin, WrapMixin

from core.config import Config
from core.crypto.kek import PKCS11, KekVersion
from core.crypto.keys import KeyringError
from core.crypto.sm import SM3_BYTES, DecryptionError, equal, sm3

_KEY_BITS: Final = 256
_STAMP: Final = "%Y%m%d%H%M%S"
#: After these a session is of no use any more.
_GONE: Final = (
    pkcs11.exceptions.SessionHandleInvalid,
    pkcs11.exceptions.SessionClosed,
    pkcs11.exceptions.DeviceRemoved,
    pkcs11.exceptions.DeviceError,
    pkcs11.exceptions.UserNotLoggedIn,
)

_lock = threading.RLock()
_sessions: dict[tuple[Path, str], tuple[str, pkcs11.Session]] = {}


class Pkcs11Kek:
    """Versions in one token. Raises `KeyringError` naming the module for what goes wrong."""

    kind = PKCS11

    def __init__(self, module: Path, token: str, pin: str, label: str) -> None:
        self._module = module
        self._token = token
        self._pin = pin
        self._label = label
        with self._told("cannot be opened"):
            _ = self._session

    @property
    def _session(self) -> pkcs11.Session:
        """A login holds for the whole process, so all users of a token share one session."""
        place = (self._module, self._token)
        found = _sessions.get(place)
        if found is not None and not compare_digest(found[0].encode(), self._pin.encode()):
            raise KeyringError(f"The module {self._module} cannot be opened: PinIncorrect.")
        if found is None:
            token = pkcs11.lib(str(self._module)).get_token(token_label=self._token)
            found = _sessions[place] = (self._pin, token.open(rw=True, user_pin=self._pin))
        return found[1]

    def versions(self) -> Sequence[KekVersion]:
        with self._told("cannot list its keys"):
            found = [_version(bytes(key.id)) for key in self._keys()]
        return sorted(found, key=lambda version: version.created_at)

    def create(self, now: datetime) -> KekVersion:
        kek_id = f"h{now.astimezone(UTC):{_STAMP}}-{secrets.token_hex(4)}"
        with self._told("cannot make a key"):
            self._session.generate_key(
                KeyType.AES,
                _KEY_BITS,
                id=kek_id.encode(),
                label=self._label,
                store=True,
                template={
                    Attribute.SENSITIVE: True,
                    Attribute.EXTRACTABLE: False,
                    Attribute.WRAP: True,
                    Attribute.UNWRAP: True,
                    Attribute.ENCRYPT: False,
                    Attribute.DECRYPT: False,
                },
            )
        return _version(kek_id.encode())

    def forget(self, kek_id: str) -> None:
        with self._told("cannot destroy a key"):
            self._key(kek_id).destroy()

    def wrap(self, kek_id: str, secret: bytes, binding: bytes) -> bytes:
        with self._told("cannot wrap"):
            carrier = self._session.create_object(
                {
                    Attribute.CLASS: ObjectClass.SECRET_KEY,
                    Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
                    Attribute.TOKEN: False,
                    Attribute.SENSITIVE: False,
                    Attribute.EXTRACTABLE: True,
                    Attribute.VALUE: secret + sm3(binding),
                }
            )
            try:
                key = self._key(kek_id)
                assert isinstance(key, WrapMixin)
                assert isinstance(carrier, pkcs11.Key)
                return bytes(key.wrap_key(carrier, mechanism=Mechanism.AES_KEY_WRAP))
            finally:
                carrier.destroy()

    def unwrap(self, kek_id: str, wrapped: bytes, binding: bytes) -> bytes:
        with self._told("cannot unwrap"):
            key = self._key(kek_id)
            assert isinstance(key, UnwrapMixin)
            try:
                carrier = key.unwrap_key(
                    ObjectClass.SECRET_KEY,
                    KeyType.GENERIC_SECRET,
                    wrapped,
                    mechanism=Mechanism.AES_KEY_WRAP,
                    template={
                        Attribute.TOKEN: False,
                        Attribute.SENSITIVE: False,
                        Attribute.EXTRACTABLE: True,
                    },
                )
            except (
                pkcs11.exceptions.WrappedKeyInvalid,
                pkcs11.exceptions.WrappedKeyLenRange,
                pkcs11.exceptions.GeneralError,
            ) as error:
                raise DecryptionError("The wrapped key was changed.") from error
            value = bytes(carrier[Attribute.VALUE])
            carrier.destroy()
        secret, bound = value[:-SM3_BYTES], value[-SM3_BYTES:]
        if not equal(bound, sm3(binding)):
            raise DecryptionError("The wrapped key belongs elsewhere.")
        return secret

    def _keys(self, kek_id: str | None = None) -> Iterator[pkcs11.SecretKey]:
        wanted: dict[Attribute, object] = {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.LABEL: self._label,
        }
        if kek_id is not None:
            wanted[Attribute.ID] = kek_id.encode()
        for found in list(self._session.get_objects(wanted)):
            assert isinstance(found, pkcs11.SecretKey)
            yield found

    def _key(self, kek_id: str) -> pkcs11.SecretKey:
        for key in self._keys(kek_id):
            return key
        raise KeyringError(f"The module {self._module} holds no key '{kek_id}'.")

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        with _lock:
            try:
                yield
            except PKCS11Error as error:
                if isinstance(error, _GONE):
                    # The next call logs in anew.
                    _sessions.pop((self._module, self._token), None)
                reason = str(error) or type(error).__name__
                raise KeyringError(f"The module {self._module} {what}: {reason}.") from error


def _version(raw: bytes) -> KekVersion:
    text = raw.decode("ascii", "replace")
    try:
        made = datetime.strptime(text[1:15], _STAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise KeyringError(
            f"The key '{text}' in the token was not made by this program."
        ) from error
    return KekVersion(text, made)


def open_hsm(config: Config) -> Pkcs11Kek:
    """The module that the configuration names; raises `KeyringError` for what is missing."""
    if config.pkcs11_module is None:
        raise KeyringError("ZHENJIAN_PKCS11_MODULE is not set.")
    return Pkcs11Kek(config.pkcs11_module, config.pkcs11_token, _pin(config), config.pkcs11_label)


def _pin(config: Config) -> str:
    if config.pkcs11_pin is not None:
        return config.pkcs11_pin.get_secret_value()
    path = config.pkcs11_pin_file
    if path is None:
        raise KeyringError("Neither ZHENJIAN_PKCS11_PIN nor ZHENJIAN_PKCS11_PIN_FILE is set.")
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyringError(f"The PIN file {path} is open to other users. Run: chmod 600 {path}")
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise KeyringError(f"The PIN file {path} cannot be read: {error.strerror}.") from error
