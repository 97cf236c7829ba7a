"""Gives the ports of the clinical modules their adapters, as the configuration says."""

from clinical.consultation.gateway import HisVisitHistory, VisitHistoryGateway
from clinical.his.gateway import HospitalSystem
from clinical.his.rest import RestHospital
from clinical.notifications.gateway import NoticeSms, WechatMessages
from clinical.notifications.wechat import wechat_messages
from clinical.payments.gateway import PaymentGateway
from clinical.payments.merchant import wechat_pay
from clinical.people.gateway import HisVisitCards, VisitCardGateway
from clinical.signature.gateway import (
    CertificateAuthority,
    HttpCertificateAuthority,
    HttpTimestampAuthority,
    TimestampAuthority,
)
from core.adapters import from_files, secret_of
from core.runtime import Runtime


def provide(runtime: Runtime, sms: NoticeSms) -> None:
    """The hospital's systems, signatures, notices and payments. Raises SetupProblem."""
    config, now = runtime.config, runtime.clock.now
    his = (config.his_url or "", config.his_key, secret_of(config.his_secret), now)
    runtime.provide(VisitCardGateway, HisVisitCards(*his))
    runtime.provide(VisitHistoryGateway, HisVisitHistory(*his))
    runtime.provide(HospitalSystem, RestHospital(*his))
    runtime.provide(
        CertificateAuthority,
        HttpCertificateAuthority(
            config.ca_url or "", config.ca_key, secret_of(config.ca_secret), now
        ),
    )
    runtime.provide(TimestampAuthority, HttpTimestampAuthority(config.tsa_url or "", now))
    runtime.provide(NoticeSms, sms)
    if (messages := wechat_messages(config)) is not None:
        runtime.provide(WechatMessages, messages)
    runtime.provide(PaymentGateway, from_files("WeChat Pay", lambda: wechat_pay(config, now)))
