"""Which account somebody known to another house is: found, bound, unbound."""

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from core import audit
from core.crypto.blind_index import blind_index
from core.errors import Conflict
from core.identity.external.models import ExternalIdentity
from core.ids import new_id

if TYPE_CHECKING:
    from core.crypto.keyring import Keyring
    from core.uow import UnitOfWork

WECHAT, OIDC = "wechat", "oidc"


class IdentityTaken(Conflict):
    code, status, title = "external_identity_taken", 409, "该账号已绑定其他用户，请先解除绑定"


def index(keyring: "Keyring", text: str) -> bytes:
    """The blind index of an openid, unionid or subject. Spelling counts, so it goes in as hex."""
    return blind_index(keyring, "external_identities.subject", text.encode().hex())


async def find(
    uow: "UnitOfWork", provider: str, tenant: str, subject: str, *, lock: bool = False
) -> ExternalIdentity | None:
    """The binding of somebody at another house."""
    query = select(ExternalIdentity).where(
        ExternalIdentity.provider == provider,
        ExternalIdentity.tenant == tenant,
        ExternalIdentity.subject_index == index(uow.runtime.keyring, subject),
    )
    return await uow.session.scalar(query.with_for_update() if lock else query)


async def account_of_union(uow: "UnitOfWork", provider: str, union: str | None) -> UUID | None:
    """The account to which another application of the same owner has bound this person."""
    if not union:
        return None
    query = select(ExternalIdentity.user_id).where(
        ExternalIdentity.provider == provider,
        ExternalIdentity.union_index == index(uow.runtime.keyring, union),
    )
    return await uow.session.scalar(query.limit(1))


async def bind(
    uow: "UnitOfWork",
    user_id: UUID,
    provider: str,
    tenant: str,
    subject: str,
    *,
    union: str | None = None,
    session_key: str | None = None,
) -> ExternalIdentity:
    """Bind somebody of another house to an account; an earlier one of that house gives way.

    Raises IdentityTaken when the other side belongs to another account.
    """
    found = await find(uow, provider, tenant, subject, lock=True)
    if found is not None and found.user_id != user_id:
        raise IdentityTaken()
    if found is None:
        await uow.session.execute(
            delete(ExternalIdentity).where(
                ExternalIdentity.user_id == user_id,
                ExternalIdentity.provider == provider,
                ExternalIdentity.tenant == tenant,
            )
        )
        keyring = uow.runtime.keyring
        found = ExternalIdentity(
            id=new_id(),
            user_id=user_id,
            provider=provider,
            tenant=tenant,
            subject=subject,
            subject_index=index(keyring, subject),
            union_index=index(keyring, union) if union else None,
            created_at=uow.now,
            last_used_at=uow.now,
        )
        uow.session.add(found)
        detail = {"provider": provider, "tenant": tenant}
        await audit.record(
            uow, None, "user.bind_external", "user", user_id, detail=detail, user_id=user_id
        )
    found.last_used_at, found.session_key = uow.now, session_key
    try:
        await uow.session.flush()
    except IntegrityError as error:
        # Two logins at once: the other one has bound it.
        raise IdentityTaken() from error
    return found


async def bound(uow: "UnitOfWork", user_id: UUID, provider: str) -> ExternalIdentity | None:
    """An account's newest binding at one kind of house."""
    return await uow.session.scalar(
        select(ExternalIdentity)
        .where(ExternalIdentity.user_id == user_id, ExternalIdentity.provider == provider)
        .order_by(ExternalIdentity.created_at.desc())
        .limit(1)
    )


async def unbind(uow: "UnitOfWork", user_id: UUID, provider: str) -> bool:
    """End an account's bindings at one kind of house; returns whether there were any."""
    ended = await uow.session.execute(
        delete(ExternalIdentity)
        .where(ExternalIdentity.user_id == user_id, ExternalIdentity.provider == provider)
        .returning(ExternalIdentity.id)
    )
    if not ended.all():
        return False
    await audit.record(
        uow,
        None,
        "user.unbind_external",
        "user",
        user_id,
        detail={"provider": provider},
        user_id=user_id,
    )
    return True
