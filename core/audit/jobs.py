"""Checking by itself that nobody changed the audit."""

from datetime import timedelta

import structlog
from prometheus_client import Gauge

from core.audit.verify import verify
from core.jobs import Job
from core.runtime import Runtime

log = structlog.get_logger(__name__)

AUDIT_CHANGED = Gauge("zhenjian_audit_changed", "Audit entries of the last day that were changed")

#: A little more than the interval, so that no entry falls between two runs.
WINDOW = timedelta(hours=25)


async def verify_recent_entries(runtime: Runtime) -> None:
    """Verify the entries of the last day; a changed one is an error in the log and a metric."""
    async with runtime.unit_of_work() as uow:
        found = await verify(uow, since=uow.now - WINDOW)
    AUDIT_CHANGED.set(len(found.changed))
    for entry_id in found.changed:
        log.error("audit_entry_changed", entry=str(entry_id))


JOBS = [Job("audit.verify_recent_entries", timedelta(hours=24), verify_recent_entries)]
