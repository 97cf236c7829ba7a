"""Every action of the matrix closes a route or a socket event when it is taken from a role."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from core.access.book import Book, BookCache
from core.access.models import EVERYWHERE
from core.access.registry import Resource, declared
from core.access.vocabulary import NOTHING
from core.identity.roles import Role
from core.modules import Modules
from core.runtime import Runtime
from core.uow import UnitOfWork
from tests.support.cast import Cast
from tests.support.http import Client

CELL = {"role": "doctor", "resource": "audit", "action": "read", "policy": None}
PROFILE = {"sex": "female", "practice_start": "2010-01-01"}
PROOF = {
    "kind": "practising_licence",
    "name": "执业证书",
    "number": "110000000000001",
    "issued_on": "2015-01-01",
    "file_id": "0192e0e0-0000-7000-8000-000000000001",
}
PATIENT = {"name": "林小满", "number": "110101198503140000"}
TERMS = {
    "title": "主任医师",
    "kind": "revisit",
    "mode": "text",
    "price_fen": 100,
    "minutes": 15,
    "enabled": True,
}
COLLEAGUE = {"user_id": "01a1ff81-f2e9-7ff0-a664-94dae4a6b6d2", "role": "nurse"}

#: For each action of the matrix a request that needs it; a new action must be entered here.
NEEDED: dict[str, tuple[str, str, Any]] = {
    "access.read": ("GET", "/access/matrix", None),
    "access.propose": ("POST", "/access/changes", {"reason": "试", "items": [CELL]}),
    "access.confirm": ("POST", "/access/changes/{id}/confirm", {"note": ""}),
    "access.roles": ("POST", "/access/roles", {"base": "nurse", "name": "试"}),
    "access.assign": ("GET", "/access/staff", None),
    "alarm.read": ("GET", "/alarms", None),
    "alarm.settle": ("POST", "/alarms/{id}/acknowledge", None),
    "announcement.read": ("GET", "/me/announcements", None),
    "announcement.manage": ("GET", "/announcements", None),
    "audit.read": ("GET", "/audit", None),
    "audit.export": ("GET", "/audit/export", None),
    "audit.check": ("POST", "/audit/integrity/checks", None),
    "certificate.read": ("GET", "/certificates", None),
    "certificate.manage": ("PUT", "/certificates/{id}", {"trusted": False}),
    "consent.read": ("GET", "/consents/{id}", None),
    "consent_text.read": ("GET", "/consent-texts", None),
    "consent_text.edit": ("DELETE", "/consent-texts/{id}", None),
    "consultation.read": ("GET", "/consultations/{id}", None),
    "consultation.treat": ("POST", "/consultations/{id}/accept", None),
    "consultation.history": ("GET", "/consultations/{id}/history", None),
    "consultation.records": ("GET", "/consultations/{id}/hospital-records", None),
    "his_exchange.read": ("GET", "/his/exchanges", None),
    "consultation.export": ("GET", "/consultations/export.csv", None),
    "consultation.assign": (
        "POST",
        "/consultations/{id}/assign",
        {"doctor_id": COLLEAGUE["user_id"], "reason": "患者等待较久"},
    ),
    "queue_call.read": ("GET", "/queue-calls", None),
    "queue_call.export": ("GET", "/queue-calls/export.csv", None),
    "service_terms.read": ("GET", "/service-terms", None),
    "service_terms.change": ("PUT", "/service-terms", TERMS),
    "service_terms.own": ("GET", "/me/services", None),
    "shift.read": ("GET", "/shifts/{id}/queue", None),
    "shift.plan": ("POST", "/shifts/{id}/enable", None),
    "shift.extra": ("POST", "/shifts/{id}/extra", {"places": 1}),
    "shift.announce": ("POST", "/shifts/{id}/call-next", None),
    "shift.export": ("GET", "/shifts/export.csv", None),
    "delegation.read": ("GET", "/access/delegations?everybody=true", None),
    "delegation.give": ("GET", "/access/delegations/options", None),
    "emergency.read": ("GET", "/access/emergencies", None),
    "emergency.open": ("POST", "/access/emergencies/search", PATIENT),
    "emergency.review": (
        "POST",
        "/access/emergencies/{id}/review",
        {"justified": True, "note": "可"},
    ),
    "holder.read": ("GET", "/account-holders", None),
    "holder.unbind": (
        "POST",
        "/account-holders/{id}/relations/{id}/unbind",
        {"reason": "本人要求"},
    ),
    "keys.read": ("GET", "/keys", None),
    "keys.rotate": ("POST", "/keys/rotations", {}),
    "legal_hold.read": ("GET", "/rights/holds", None),
    "legal_hold.change": ("POST", "/rights/holds/{id}/lift", {"reason": "案件已结"}),
    "login_lock.read": ("GET", "/login-locks", None),
    "login_lock.lift": ("DELETE", "/login-locks/{id}", None),
    "media_usage.read": ("GET", "/media-usage", None),
    "notification.read": ("GET", "/notification-templates", None),
    "notification.manage": ("POST", "/notification-pushes/{id}/retry", None),
    "order.read": ("GET", "/orders/{id}", None),
    "order.refund": ("POST", "/consultations/{id}/refund", {"reason": "试"}),
    "order.mend": ("POST", "/refunds/{id}/retry", None),
    "permit.read": ("GET", "/access/permits", None),
    "permit.decide": ("POST", "/access/permits/{id}/decide", {"granted": False}),
    "profile.read": ("GET", "/profile-submissions", None),
    "profile.review": ("POST", "/profile-submissions/{id}/decision", {"approved": True}),
    "profile.submit": ("POST", "/me/profile/submissions", PROFILE),
    "quarantine.read": ("GET", "/quarantine", None),
    "quarantine.release": ("DELETE", "/quarantine/{id}", None),
    "self_order.read": ("GET", "/self-orders/{id}", None),
    "self_order.review": ("POST", "/self-orders/{id}/approve", {"words": ""}),
    "self_order.export": ("GET", "/self-orders/workload.csv", None),
    "self_order.fulfil": ("POST", "/self-orders/{id}/fulfil", None),
    "self_order_item.read": ("GET", "/self-order-items", None),
    "self_order_item.keep": ("POST", "/self-order-items/import", {"table": "编码"}),
    "self_order_item.export": ("GET", "/self-order-items/export.csv", None),
    "rating.received": ("GET", "/ratings/received", None),
    "recording.arrange": ("PUT", "/recordings/{id}/layout", {"layout": "speaker"}),
    "recording.download": ("POST", "/recordings/{id}/files/{id}/download", None),
    "recording.read": ("GET", "/rooms/{id}/recordings", None),
    "recording_upload.read": ("GET", "/recordings/uploads", None),
    "recording_upload.upload": (
        "POST",
        "/recordings/uploads",
        {"file_id": COLLEAGUE["user_id"], "origin": "lecture", "title": "课程"},
    ),
    "rights_request.read": ("GET", "/rights/requests/{id}", None),
    "rights_request.handle": ("POST", "/rights/requests/{id}/take", None),
    "room.read": ("GET", "/rooms/{id}", None),
    "room.recalled": ("POST", "/rooms/{id}/messages/1/original", {"reason": "投诉核查"}),
    "room.gather": ("POST", "/rooms/{id}/members", {"people": [COLLEAGUE]}),
    "room.monitor": ("GET", "/monitor/rooms", None),
    "room.intervene": ("POST", "/rooms/{id}/word", None),
    "setting.read": ("GET", "/settings", None),
    "setting.change": (
        "PUT",
        "/settings/access.emergency_minutes",
        {"value": 30, "scope": "hospital"},
    ),
    "signer.read": ("GET", "/signing/signers", None),
    "signer.manage": ("DELETE", "/signing/signers/{id}/suspension", None),
    "signing_service.read": ("GET", "/signature-applications", None),
    "signing_service.manage": ("PUT", "/signature-service", {"enabled": True}),
    "signing_service.log": ("GET", "/signature-log", None),
    "staff.read": ("GET", "/staff", None),
    "staff.manage": (
        "PUT",
        "/accounts/staff/{id}/enabled",
        {"enabled": True, "reason": "试试"},
    ),
    "staff_certificate.read": ("GET", "/staff-certificates", None),
    "staff_certificate.review": (
        "POST",
        "/staff-certificates/{id}/decision",
        {"approved": True},
    ),
    "staff_certificate.submit": ("POST", "/me/certificates", PROOF),
    "system.read": ("GET", "/system", None),
    "system.mend": ("GET", "/outbox/parked", None),
}
#: Shown elsewhere: socket events (`tests/realtime/test_veil.py`, `test_observers.py`), what is
#: withheld in other views, what changes an answer rather than closing a route, and patients' own,
#: which nobody can take.
ELSEWHERE = {
    "call.talk",
    "call.observe",
    "room.speak",
    "patient.read",
    "audit.export_whole",
    "delegation.end",
}
ELSEWHERE |= {
    "booking.read",
    "booking.move",
    "consultation.book",
    "order.pay",
    "patient.manage",
    "rating.read",
    "self_order.place",
}


class FixedBook(BookCache):
    """A cache that holds a book of the test's own."""

    def __init__(self, book: Book) -> None:
        super().__init__()
        self.book = book

    def held(self) -> Book:
        return self.book

    async def read(self, uow: UnitOfWork) -> Book:
        return self.book


def cells() -> list[tuple[Resource, str, Role]]:
    """Every cell that belongs to staff and can be emptied."""
    return [
        (resource, action, role)
        for resource in declared()
        for action, known in resource.actions.items()
        for role in known.roles
        if role is not Role.PATIENT and (role, action) not in resource.floors
    ]


def test_every_action_of_the_matrix_is_known_to_this_contract(modules: Modules) -> None:
    actions = {f"{resource.key}.{name}" for resource in declared() for name in resource.actions}
    assert actions == NEEDED.keys() | ELSEWHERE


def test_what_the_matrix_offers_to_a_role_is_on_a_route_that_lets_the_role_in(
    modules: Modules,
) -> None:
    gates = {(route.method, route.path): route.roles for route in modules.routes}
    for resource in declared():
        for action, known in resource.actions.items():
            needed = NEEDED.get(f"{resource.key}.{action}")
            if needed is None:
                continue
            method, path, _ = needed
            roles = next(
                roles
                for (verb, pattern), roles in gates.items()
                if verb == method and _fits(pattern, path.partition("?")[0])
            )
            assert set(known.roles) <= roles, f"{method} {path}"


def _fits(pattern: str, path: str) -> bool:
    ours, theirs = path.strip("/").split("/"), pattern.strip("/").split("/")
    return len(ours) == len(theirs) and all(
        own == their or (their.startswith("{") and (own == "{id}" or "." in own or own.isdigit()))
        for own, their in zip(ours, theirs, strict=True)
    )


@pytest.mark.requirement("S3-018", "S0-N-038")
async def test_an_action_that_is_taken_from_a_role_is_refused_on_its_route_and_on_no_other_roles(
    client: Client, cast: Cast, runtime: Runtime, modules: Modules
) -> None:
    async def code(permission: str, role: Role, book: Book) -> str:
        runtime.ports[BookCache] = FixedBook(book)
        method, path, body = NEEDED[permission]
        answer = await client.request(
            method, path.replace("{id}", str(uuid4())), token=cast.of(role).token, json=body
        )
        return answer.code

    for resource, action, role in cells():
        permission = f"{resource.key}.{action}"
        if permission not in NEEDED:
            continue
        taken = Book(cells={(cast.hospital_id, role, EVERYWHERE, resource.key, action): NOTHING})
        refused = await code(permission, role, taken)
        assert refused == "not_permitted", f"{permission} of {role}: {refused!r}"
        given = await code(permission, role, Book())
        by_default = bool(resource.default(role, action).scope.width)
        assert (given != "not_permitted") is by_default, f"{permission} of {role}: {given!r}"
