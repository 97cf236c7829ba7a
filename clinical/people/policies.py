"""What policies say about account holders and about the papers of clinicians."""

from typing import Any

from sqlalchemy import select

from clinical.consultation.states import TREATERS
from clinical.people.models import Clinician, ClinicianService, PatientRelation
from clinical.people.profile_models import ProfileSubmission, StaffCertificate
from core.access import READ, Action, Field, Mask, Resource, Scope, allow, declare
from core.identity.roles import CLINICAL_ROLES, Role

HOLDER_READERS = (Role.ADMINISTRATOR, Role.OPERATOR, Role.CUSTOMER_SERVICE)
HOLDER_KEEPERS = (Role.ADMINISTRATOR, Role.OPERATOR)
CLINICIANS = tuple(sorted(CLINICAL_ROLES))
REVIEWERS = (Role.ADMINISTRATOR,)

HOLDER = declare(
    "holder",
    "患者用户",
    area="管理",
    here=PatientRelation.hospital_id,
    actions={
        READ: Action("查看", HOLDER_READERS),
        "unbind": Action("手动解绑", HOLDER_KEEPERS),
    },
    scopes={Scope.HOSPITAL: None, Scope.GROUP: None},
    only={Scope.GROUP: (Role.OPERATOR,)},
    fields=[Field("name", "昵称", Mask.NAME), Field("phone_masked", "手机号")],
    defaults=[
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "unbind"),
        allow(Role.OPERATOR, Scope.GROUP, READ, "unbind"),
        allow(Role.CUSTOMER_SERVICE, Scope.HOSPITAL, READ),
    ],
)


def _papers(key: str, title: str, row: type[Any]) -> Resource:
    """Papers that a clinician hands in and an administrator reviews."""
    return declare(
        key,
        title,
        area="管理",
        here=row.hospital_id,
        actions={
            READ: Action("查看提交的材料", REVIEWERS),
            "review": Action("审核", REVIEWERS),
            "submit": Action("提交本人的材料", CLINICIANS),
        },
        scopes={Scope.OWN: lambda caller: row.user_id == caller.user_id, Scope.HOSPITAL: None},
        only={Scope.OWN: CLINICIANS, Scope.HOSPITAL: REVIEWERS},
        defaults=[
            allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "review"),
            *(allow(role, Scope.OWN, "submit") for role in CLINICIANS),
        ],
    )


SERVICE_TERMS = declare(
    "service_terms",
    "问诊价格与时长",
    area="管理",
    here=ClinicianService.hospital_id,
    actions={
        READ: Action("查看", REVIEWERS, delegable=True),
        "change": Action("修改", REVIEWERS, delegable=True),
        "own": Action("设置本人的价格与开关", TREATERS),
    },
    scopes={
        Scope.OWN: lambda caller: ClinicianService.clinician_id.in_(
            select(Clinician.id).where(
                Clinician.hospital_id == caller.hospital_id,
                Clinician.user_id == caller.user_id,
                Clinician.profession == caller.role,
            )
        ),
        Scope.HOSPITAL: None,
    },
    only={Scope.OWN: TREATERS, Scope.HOSPITAL: REVIEWERS},
    defaults=[
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "change"),
        *(allow(role, Scope.OWN, "own") for role in TREATERS),
    ],
)
PROFILE = _papers("profile", "执业资料", ProfileSubmission)
CERTIFICATE = _papers("staff_certificate", "执业证件", StaffCertificate)
