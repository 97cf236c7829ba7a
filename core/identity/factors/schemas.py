"""Request and answer shapes of second factors."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, StringConstraints

from core.identity.second_factor import Method

Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=4, max_length=256)]
Digits = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^\d{6}$")]


class SecondFactorView(BaseModel):
    """`pending`: nothing else is open until a factor was proved. `methods`: the best first."""

    pending: bool
    proved_at: datetime | None
    methods: list[Method]
    phone_masked: str | None
    totp_since: datetime | None
    recovery_codes_left: int


class ProveInput(BaseModel):
    """`code` is the six digits, the recovery code, or with `password` the password."""

    method: Method
    code: Code


class CodeSent(BaseModel):
    """`retry_after` in seconds."""

    retry_after: int


class EnrolmentView(BaseModel):
    """Shown to the owner once; `qr_svg` is a drawing of `uri`."""

    manual_key: str
    uri: str
    qr_svg: str


class ConfirmInput(BaseModel):
    code: Digits


class RecoveryCodes(BaseModel):
    """They can be read here and never again."""

    recovery_codes: list[str]
