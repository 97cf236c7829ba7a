"""Where server keys lie. A certified device is one more entry here and a word in `Provider`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from clinical.signature.applications.models import ServerKey
from clinical.signature.applications.states import Provider
from core.crypto.signing import Algorithm, KeyUnusable, SigningKey, dump, generate, load_private


@dataclass(frozen=True)
class MadeKey:
    """A fresh key: ready to sign its request, and what its row has to keep."""

    key: SigningKey
    sealed: bytes | None


class KeyProvider(Protocol):
    """Makes and opens keys. A device keeps the private part and finds it by the row's id."""

    def make(self, algorithm: Algorithm) -> MadeKey:
        """A fresh key. Raises KeyUnusable."""
        ...

    def open(self, row: ServerKey) -> SigningKey:
        """The key of a row, ready to sign. Raises KeyUnusable."""
        ...


class SoftwareKeys:
    """Private keys in the sealed column of their row."""

    def make(self, algorithm: Algorithm) -> MadeKey:
        key = generate(algorithm)
        return MadeKey(key, dump(key))

    def open(self, row: ServerKey) -> SigningKey:
        if row.sealed is None:
            raise KeyUnusable("The private key is gone.")
        return load_private(row.sealed)


_PROVIDERS: Mapping[Provider, Callable[[], KeyProvider]] = {Provider.SOFTWARE: SoftwareKeys}


def provider(kind: Provider) -> KeyProvider:
    """The provider of this kind."""
    return _PROVIDERS[kind]()
