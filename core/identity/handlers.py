"""Reactions of identity."""

from core.events import AfterCommitTable, WithCommitTable
from core.identity.events import SessionRevoked
from core.identity.sessions import announce_revocation
from core.runtime import Runtime


async def drop_sockets_of_session(runtime: Runtime, event: SessionRevoked) -> None:
    """Repeat the hint of a revocation for processes that missed the first one."""
    await announce_revocation(runtime, event.aggregate_id, event.user_id, event.reason)


WITH_COMMIT: WithCommitTable = {}
AFTER_COMMIT: AfterCommitTable = {SessionRevoked: [drop_sockets_of_session]}
