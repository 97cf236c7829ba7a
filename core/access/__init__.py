"""Access: policies as data, and the one engine that every `access.py` asks.

Purpose: who may do what with which rows, and what of them is shown; a hospital's own roles, menus,
delegations, permissions for a time, break-glass access; every change by two people, with history.
Announces: `ChangeRequested`, `ChangeDecided`, `DelegationGiven`, `DelegationEnded`, `PermitAsked`,
`PermitDecided`, `EmergencyOpened`, `EmergencyReviewed`.
Hears: nothing (the book in memory is dropped through the bus channel `access.changed`).

    CONSULTATION = declare("consultation", "问诊", area="问诊", here=Consultation.hospital_id, ...)
    found = await grant(uow, caller, CONSULTATION, "read")
    row = await session.scalar(select(Consultation).where(found.condition))
    return found.shown(view)
"""

from core.access.engine import (
    Grant,
    condition,
    emergency_for,
    find_grant,
    grant,
    held,
    look,
    open_emergencies,
    permitted,
    require,
)
from core.access.errors import NotPermitted
from core.access.registry import Resource, allow, declare, declared, find
from core.access.vocabulary import (
    READ,
    Action,
    Emergency,
    Field,
    Mask,
    Policy,
    RowFilter,
    Scope,
)

__all__ = [
    "READ",
    "Action",
    "Emergency",
    "Field",
    "Grant",
    "Mask",
    "NotPermitted",
    "Policy",
    "Resource",
    "RowFilter",
    "Scope",
    "allow",
    "condition",
    "declare",
    "declared",
    "emergency_for",
    "find",
    "find_grant",
    "grant",
    "held",
    "look",
    "open_emergencies",
    "permitted",
    "require",
]
