"""What waits for the officers of the demo: a text for a second administrator, people's requests."""

from admin.demo.accounts import ADMINISTRATOR, PATIENT
from admin.demo.people import Town
from admin.demo.present import Today
from clinical.consent import access, publishing, rights, texts
from clinical.consent.rights import Wish
from clinical.consent.states import Kind, Right
from clinical.consent.texts import Wording
from core.identity.roles import Role
from core.runtime import Runtime

ADDED = "\n\n您可以在通话中随时撤回同意，撤回后立即停止录制。"


async def leave_wishes(runtime: Runtime, today: Today, town: Town) -> None:
    """A version of the recording text that waits, a correction and a restriction asked for."""
    administrator = today.caller(town.figures[ADMINISTRATOR.login], Role.ADMINISTRATOR)
    patient = today.caller(town.figures[PATIENT.login], Role.PATIENT)
    async with runtime.unit_of_work() as uow:
        current = await access.current_text(uow, town.hospital_id, Kind.RECORDING)
        wording = Wording(
            version="2026-12",
            title=current.title,
            summary=current.summary,
            body=current.body + ADDED,
            purposes=current.purposes,
            signature_required=False,
            material=False,
            grace_days=0,
            change_note="写明通话中可以随时撤回",
            effective_at=None,
        )
        draft = await texts.draft(uow, administrator, Kind.RECORDING, wording)
        await publishing.propose(uow, administrator, draft.id)
    async with runtime.unit_of_work() as uow:
        await rights.ask(
            uow,
            patient,
            Wish(right=Right.CORRECTION, field="地址", wish="示范市望湖路8号", words="已搬家"),
        )
        await rights.ask(
            uow, patient, Wish(right=Right.RESTRICTION, words="请不要用于就诊后的回访")
        )
