"""Something to decide for the officers of the demo: a change that waits for a second administrator,
an application for a permission, a break-glass access to review.
"""

from sqlalchemy import select

from admin.demo.accounts import ADMINISTRATOR, DOCTOR, OTHER_DOCTOR
from admin.demo.people import Town
from admin.demo.present import Today
from clinical.people.models import Patient
from core.access import Policy, Scope, changes, emergencies, permits, roles
from core.identity.roles import Role
from core.masking import mask_name
from core.runtime import Runtime


async def leave_to_decide(runtime: Runtime, today: Today, town: Town) -> None:
    """An own role whose policies wait, a doctor who asks, a doctor who looked in an emergency."""
    administrator = today.caller(town.figures[ADMINISTRATOR.login], Role.ADMINISTRATOR)
    doctor = today.caller(town.figures[DOCTOR.login], Role.DOCTOR)
    other = today.caller(town.figures[OTHER_DOCTOR.login], Role.DOCTOR)
    async with runtime.unit_of_work() as uow:
        head = await roles.create(
            uow, administrator, Role.NURSE, "护士长", "管理本科室护理工作，可向护士委托"
        )
        await uow.session.flush()
        wanted = [
            changes.Wanted(
                role=Role.NURSE,
                role_id=head.id,
                resource="consultation",
                action="read",
                policy=Policy(
                    Scope.DEPARTMENT,
                    hidden=frozenset({"attachments"}),
                    masked=frozenset({"patient.address"}),
                ),
            ),
            changes.Wanted(
                role=Role.NURSE,
                role_id=head.id,
                resource="delegation",
                action="give",
                policy=Policy(Scope.DEPARTMENT),
            ),
        ]
        await changes.propose(uow, administrator, wanted, "护士长需要查看本科室问诊并安排交接")
    async with runtime.unit_of_work() as uow:
        await permits.ask(uow, doctor, "order.refund", "门诊时间调整，需要为个别患者退诊", 30)
    async with runtime.unit_of_work() as uow:
        patient = await uow.session.scalar(
            select(Patient)
            .where(Patient.hospital_id == town.hospital_id)
            .order_by(Patient.created_at, Patient.id)
            .limit(1)
        )
        if patient is None:
            return
        row = await emergencies.open_patient(
            uow,
            other,
            patient.id,
            mask_name(patient.name),
            "handover",
            "患者在急诊突发意识障碍，原接诊医生联系不上，需了解既往用药与过敏史",
        )
        await uow.session.flush()
        await emergencies.close(uow, other, row.id)
