"""What identity holds about a person: the account, its devices, its roles."""

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

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
from core.personal_data import Erased, Holding, RecordClass, Section, Subject, register

if TYPE_CHECKING:
    from core.uow import UnitOfWork

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
        ]

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
        ]

    async def erase(self, uow: "UnitOfWork", subject: Subject) -> list[Erased]:
        """Blank a closed account for good; its bare row stays as what records point to."""
        if not subject.closing:
            return []
        if subject.held:
            return [Erased(title="账号与实名信息", kept=1, why="法律保全")]
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
        for model in (TotpFactor, RecoveryCode, PasswordHistory, ExternalIdentity):
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
        ]


register(IdentityData())
