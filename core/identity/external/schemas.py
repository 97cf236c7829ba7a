"""Request and answer shapes of logins by other houses."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, StringConstraints, model_validator

from core.identity.schemas import DeviceInput, Phone, Tokens

Opaque = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2048)]
SmsCode = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^\d{4,8}$")]


class SsoMethod(BaseModel):
    title: str


class LoginMethods(BaseModel):
    """What a login page may offer besides code and password."""

    wechat_web: bool
    wechat_mini: bool
    sso: SsoMethod | None


class StartInput(BaseModel):
    device: DeviceInput


class SsoStartInput(StartInput):
    hospital_id: UUID | None = None


class Redirect(BaseModel):
    """Send the browser there; it comes back with a code and a state."""

    url: str


class CodeLogin(StartInput):
    code: Opaque
    state: Opaque


class MiniLogin(StartInput):
    """`phone_code` comes from the button by which a person shares the number with us."""

    code: Opaque
    phone_code: Opaque | None = None


class WebViewCode(BaseModel):
    """Works once; `expires_in` in seconds."""

    code: str
    expires_in: int


class WebViewLogin(StartInput):
    code: Opaque


class PhoneLogin(StartInput):
    ticket: Opaque
    phone: Phone
    code: SmsCode


class WechatLogin(BaseModel):
    """`ticket` instead of `tokens`: a telephone number has to be bound first."""

    tokens: Tokens | None = None
    ticket: str | None = None


class WechatState(BaseModel):
    available: bool
    bound_at: datetime | None


class WechatBind(BaseModel):
    """Either the consent of the browser (`code`, `state`) or the mini-program's `mini_code`."""

    code: Opaque | None = None
    state: Opaque | None = None
    mini_code: Opaque | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "WechatBind":
        if (self.mini_code is None) == (self.code is None or self.state is None):
            raise ValueError("给出授权码和状态，或小程序登录码")
        return self
