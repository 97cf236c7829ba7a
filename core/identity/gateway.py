"""Ports of identity to the outside: text messages and the real-name check.

The adapters live with the module that owns the outside system; `app.py` registers them on the
runtime (`runtime.port(SmsGateway)`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class SmsError(Exception):
    """The message was not accepted by the provider; nothing was sent."""


class SmsRefused(SmsError):
    """The provider answered and said no; `code` is its own word."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class SmsGateway(Protocol):
    """Sends one templated text message."""

    async def send(self, phone: str, template: str, parameters: dict[str, str]) -> None:
        """Hand a message to the provider.

        `phone` is the full number (`13800000001`), `template` the stable code of a text that the
        provider has approved (`login_code`), `parameters` its placeholders (`{"code": "123456"}`).
        Raises `SmsError` when the provider refuses or cannot be reached.
        """
        ...


class IdentityVerdict(StrEnum):
    """What the registry says about a name and a number."""

    MATCH = "match"
    MISMATCH = "mismatch"


class IdentityCheckUnavailable(Exception):
    """The registry could not be asked; the caller may try again later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentityCheckResult:
    """The answer of the registry with its own reference, kept as evidence."""

    verdict: IdentityVerdict
    reference: str


class IdentityCheck(Protocol):
    """Asks the registry whether a name belongs to an identity number."""

    async def check(self, name: str, id_number: str) -> IdentityCheckResult:
        """Return the verdict; raises `IdentityCheckUnavailable` when nobody answers."""
        ...
