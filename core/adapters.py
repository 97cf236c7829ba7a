"""Gives the ports of the foundation their adapters, as the configuration says."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import SecretStr

from core.files.scanning.clamd import Clamd
from core.files.scanning.port import VirusScanner
from core.identity.certification.alipay import CertifyGateway, alipay_certify
from core.identity.external.wechat import WechatAccounts, wechat_accounts
from core.identity.gateway import IdentityCheck, SmsGateway
from core.identity.realname_http import HttpIdentityCheck
from core.identity.sms_http import HttpSmsGateway
from core.runtime import Runtime
from core.starting import SetupProblem

Made = TypeVar("Made")


def text_messages(runtime: Runtime) -> HttpSmsGateway:
    """The one provider of text messages, for codes and for notices."""
    config, now = runtime.config, runtime.clock.now
    return HttpSmsGateway(
        config.sms_url or "", config.sms_key or "", secret_of(config.sms_secret), now
    )


def provide(runtime: Runtime, sms: SmsGateway) -> None:
    """Text messages, identity, scanning of files, sign-in from outside. Raises SetupProblem."""
    config, now = runtime.config, runtime.clock.now
    runtime.provide(SmsGateway, sms)
    runtime.provide(
        IdentityCheck,
        HttpIdentityCheck(
            config.real_name_url or "",
            config.real_name_key,
            secret_of(config.real_name_secret),
            now,
        ),
    )
    if config.scanner == "required":
        runtime.provide(VirusScanner, Clamd(config.scanner_url or ""))
    if (certify := from_files("Alipay", lambda: alipay_certify(config, now))) is not None:
        runtime.provide(CertifyGateway, certify)
    if (accounts := wechat_accounts(config, now)) is not None:
        runtime.provide(WechatAccounts, accounts)


def from_files(system: str, make: Callable[[], Made]) -> Made:
    """An adapter that reads keys from files. Raises SetupProblem for one that cannot be used."""
    try:
        return make()
    except (OSError, ValueError) as error:
        raise SetupProblem(f"{system}: {error}") from error


def secret_of(value: SecretStr | None) -> str:
    """A secret of the configuration; empty where there is none."""
    return value.get_secret_value() if value is not None else ""
