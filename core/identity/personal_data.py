"""What identity holds about a person: the account, its devices, its proofs, its other logins."""

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update

from core.files.models import REMOVED, File
from core.identity.certification.models import Certification
from core.identity.certification.service import SCOPE as CERTIFICATION
from core.identity.external.models import ExternalIdentity
from core.identity.factors.models import RecoveryCode, TotpFactor
from core.identity.models import (
    DeviceSession,
    LoginThrottle,
    PasswordHistory,
    RefreshToken,
    RoleAssignment,
    SmsCode,
    User,
)
from core.identity.sessions import announce_user_change, revoke_all
from core.personal_data import Erased, Holding, RecordClass, Section, Subject, counted, register

if TYPE_CHECKING:
    from core.uow import UnitOfWork

_METHODS = {"alipay": "支付宝认证", "card": "证件照片"}
_OUTCOMES = {"match": "一致", "mismatch": "不一致", "": "未完成"}
_PROVIDERS = {"wechat": "微信", "oidc": "医院统一登录"}
#: A certification that nobody finished in this time is not finished any more.
GIVEN_UP = timedelta(days=1)
#: How a closed account is called where its name would stand.
CLOSED_NAME = "已注销用户"


class IdentityData:
    """The account and the devices it was used on."""

    name = "identity"

    async def holdings(self, uow: "UnitOfWork", subject: Subject) -> list[Holding]:
        """The account, and its devices."""
        user = await uow.session.get_one(User, subject.user_id)
        devices, first, last = (
            await uow.session.execute(
                select(
                    func.count(),
                    func.min(DeviceSession.created_at),
                    func.max(DeviceSession.last_seen_at),
                ).where(DeviceSession.user_id == subject.user_id)
            )
        ).one()
        return [
            Holding(
                title="账号与实名信息",
                record_class=RecordClass.ACCOUNT,
                count=1,
                oldest=user.created_at.date(),
                note="手机号、昵称、姓名与身份证件号码，加密保存",
            ),
            Holding(
                title="登录设备",
                record_class=RecordClass.ACCOUNT,
                count=devices,
                oldest=first.date() if first else None,
                newest=last.date() if last else None,
                note="设备名称、网络地址、登录时间",
            ),
            await self._count(uow, subject, Certification, "实名认证记录", "姓名、号码、证件照片"),
            await self._count(uow, subject, ExternalIdentity, "第三方登录", "微信等的用户标识"),
        ]

    async def _count(
        self,
        uow: "UnitOfWork",
        subject: Subject,
        model: type[Certification] | type[ExternalIdentity],
        title: str,
        note: str,
    ) -> Holding:
        return await counted(
            uow,
            title,
            RecordClass.ACCOUNT,
            (model.created_at, model.created_at),
            model.user_id == subject.user_id,
            note=note,
        )

    async def export(self, uow: "UnitOfWork", subject: Subject) -> list[Section]:
        """Account and devices in full: they are the person's own."""
        user = await uow.session.get_one(User, subject.user_id)
        number = await uow.session.scalar(select(User.id_number).where(User.id == user.id))
        sessions = await uow.session.scalars(
            select(DeviceSession)
            .where(DeviceSession.user_id == subject.user_id)
            .order_by(DeviceSession.created_at.desc())
            .limit(500)
        )
        return [
            Section(
                title="账号与实名信息",
                fields=(
                    ("name", "昵称"),
                    ("phone", "手机号"),
                    ("real_name", "姓名"),
                    ("id_number", "身份证件号码"),
                    ("verified_at", "实名核验时间"),
                    ("created_at", "注册时间"),
                ),
                records=[
                    {
                        "name": user.name,
                        "phone": user.phone,
                        "real_name": user.real_name,
                        "id_number": number,
                        "verified_at": user.real_name_verified_at,
                        "created_at": user.created_at,
                    }
                ],
            ),
            Section(
                title="登录设备",
                fields=(
                    ("device", "设备"),
                    ("platform", "平台"),
                    ("address", "网络地址"),
                    ("created_at", "登录时间"),
                    ("last_seen_at", "最近使用"),
                    ("ended_at", "退出时间"),
                ),
                records=[
                    {
                        "device": each.device_name,
                        "platform": each.platform,
                        "address": each.address,
                        "created_at": each.created_at,
                        "last_seen_at": each.last_seen_at,
                        "ended_at": each.revoked_at,
                    }
                    for each in sessions
                ],
            ),
            await self._certifications(uow, subject),
            await self._external(uow, subject),
        ]

    async def _certifications(self, uow: "UnitOfWork", subject: Subject) -> Section:
        rows = await uow.session.scalars(
            select(Certification)
            .where(Certification.user_id == subject.user_id)
            .order_by(Certification.created_at, Certification.id)
        )
        return Section(
            title="实名认证记录",
            fields=(
                ("method", "方式"),
                ("name", "姓名"),
                ("id_number", "身份证件号码"),
                ("outcome", "结果"),
                ("pictures", "证件照片"),
                ("created_at", "发起时间"),
                ("finished_at", "完成时间"),
            ),
            records=[
                {
                    "method": _METHODS.get(row.method, row.method),
                    "name": row.name,
                    "id_number": row.id_number,
                    "outcome": _OUTCOMES.get(row.outcome, row.outcome),
                    "pictures": sum(each is not None for each in _pictures(row)),
                    "created_at": row.created_at,
                    "finished_at": row.finished_at,
                }
                for row in rows
            ],
        )

    async def _external(self, uow: "UnitOfWork", subject: Subject) -> Section:
        """The identifiers of other houses; never their session keys, which are secrets."""
        rows = await uow.session.scalars(
            select(ExternalIdentity)
            .where(ExternalIdentity.user_id == subject.user_id)
            .order_by(ExternalIdentity.created_at, ExternalIdentity.id)
        )
        return Section(
            title="第三方登录",
            fields=(
                ("provider", "登录方式"),
                ("subject", "对方的用户标识"),
                ("created_at", "绑定时间"),
                ("last_used_at", "最近使用"),
            ),
            records=[
                {
                    "provider": _PROVIDERS.get(row.provider, row.provider),
                    "subject": row.subject,
                    "created_at": row.created_at,
                    "last_used_at": row.last_used_at,
                }
                for row in rows
            ],
        )

    async def erase(self, uow: "UnitOfWork", subject: Subject) -> list[Erased]:
        """Blank a closed account for good; its bare row stays as what records point to.

        Attempts to prove a name that came to nothing are needed by nobody and go at once.
        """
        if subject.held:
            return [Erased(title="账号与实名信息", kept=1, why="法律保全")]
        certifications = await self._erase_certifications(uow, subject)
        if not subject.closing:
            return [certifications]
        user = await uow.session.get_one(User, subject.user_id, with_for_update=True)
        index = await uow.session.scalar(select(User.phone_index).where(User.id == user.id))
        await revoke_all(uow, user.id, "account_closed")
        user.name, user.login, user.phone, user.phone_index = CLOSED_NAME, None, None, None
        user.password_hash = user.password_changed_at = None
        user.real_name = user.id_number = user.id_number_index = None
        user.real_name_reference = None
        user.avatar_file_id = None
        user.enabled = False
        await uow.session.flush()
        if index is not None:
            await uow.session.execute(delete(SmsCode).where(SmsCode.phone_index == index))
        others = await uow.session.execute(
            delete(ExternalIdentity)
            .where(ExternalIdentity.user_id == user.id)
            .returning(ExternalIdentity.id)
        )
        for model in (TotpFactor, RecoveryCode, PasswordHistory):
            await uow.session.execute(delete(model).where(model.user_id == user.id))
        await uow.session.execute(delete(LoginThrottle).where(LoginThrottle.user_id == user.id))
        mine = select(DeviceSession.id).where(DeviceSession.user_id == user.id)
        await uow.session.execute(delete(RefreshToken).where(RefreshToken.session_id.in_(mine)))
        devices = await uow.session.execute(
            update(DeviceSession)
            .where(DeviceSession.user_id == user.id)
            .values(device_name="", label="", address="")
            .returning(DeviceSession.id)
        )
        await uow.session.execute(delete(RoleAssignment).where(RoleAssignment.user_id == user.id))
        announce_user_change(uow, user.id)
        return [
            Erased(title="账号与实名信息", erased=1),
            Erased(title="登录设备", erased=len(devices.all())),
            certifications,
            Erased(title="第三方登录", erased=len(others.all())),
        ]

    async def _erase_certifications(self, uow: "UnitOfWork", subject: Subject) -> Erased:
        """The proofs with the pictures of the card; the files' job removes the bytes."""
        query = select(Certification).where(Certification.user_id == subject.user_id)
        if not subject.closing:
            given_up = Certification.created_at < uow.now - GIVEN_UP
            failed = Certification.outcome == "mismatch"
            query = query.where(or_(failed, (Certification.outcome == "") & given_up))
        rows = list(await uow.session.scalars(query.with_for_update()))
        await uow.session.execute(
            update(File)
            .where(File.scope == CERTIFICATION, File.scope_id.in_([row.id for row in rows]))
            .values(scope=REMOVED)
        )
        for row in rows:
            await uow.session.delete(row)
        return Erased(title="实名认证记录", erased=len(rows))


def _pictures(row: Certification) -> tuple[UUID | None, UUID | None]:
    return (row.front_file_id, row.back_file_id)


register(IdentityData())
