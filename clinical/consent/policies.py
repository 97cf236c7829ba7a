"""What policies say about texts, consents, people's requests and legal holds."""

from sqlalchemy import or_

from clinical.consent.models import ConsentRecord, ConsentText, LegalHold, RightsRequest
from core.access import READ, Action, Scope, allow, declare
from core.identity.roles import Role

OFFICERS = (Role.ADMINISTRATOR, Role.SUPERVISOR)
READERS = (Role.PATIENT, *OFFICERS)

CONSENT_TEXT = declare(
    "consent_text",
    "协议与告知书",
    area="隐私",
    actions={
        READ: Action("查看版本", OFFICERS),
        "edit": Action("起草与发布", (Role.ADMINISTRATOR,)),
    },
    scopes={
        # The group's texts are read, and copied into versions of the hospital's own.
        Scope.HOSPITAL: lambda caller: or_(
            ConsentText.hospital_id == caller.hospital_id, ConsentText.hospital_id.is_(None)
        )
    },
    defaults=[
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "edit"),
        allow(Role.SUPERVISOR, Scope.HOSPITAL, READ),
    ],
)

CONSENT = declare(
    "consent",
    "知情同意",
    area="隐私",
    here=ConsentRecord.hospital_id,
    actions={READ: Action("查看同意记录", READERS)},
    scopes={
        Scope.OWN: lambda caller: ConsentRecord.user_id == caller.user_id,
        Scope.HOSPITAL: None,
    },
    only={Scope.OWN: (Role.PATIENT,)},
    defaults=[
        allow(Role.PATIENT, Scope.OWN, READ),
        *(allow(role, Scope.HOSPITAL, READ) for role in OFFICERS),
    ],
    floors=[allow(Role.PATIENT, Scope.OWN, READ)],
)

RIGHTS = declare(
    "rights_request",
    "个人信息请求",
    area="隐私",
    here=RightsRequest.hospital_id,
    actions={
        READ: Action("查看请求", READERS),
        "handle": Action("受理与答复", OFFICERS),
    },
    scopes={
        Scope.OWN: lambda caller: RightsRequest.user_id == caller.user_id,
        Scope.HOSPITAL: None,
    },
    only={Scope.OWN: (Role.PATIENT,)},
    defaults=[
        allow(Role.PATIENT, Scope.OWN, READ),
        *(allow(role, Scope.HOSPITAL, READ, "handle") for role in OFFICERS),
    ],
    floors=[allow(Role.PATIENT, Scope.OWN, READ)],
)

LEGAL_HOLD = declare(
    "legal_hold",
    "法律保全",
    area="隐私",
    here=LegalHold.hospital_id,
    actions={READ: Action("查看", OFFICERS), "change": Action("设置与解除", OFFICERS)},
    scopes={Scope.HOSPITAL: None},
    defaults=[allow(role, Scope.HOSPITAL, READ, "change") for role in OFFICERS],
)
