"""The closing note: saved as it is typed, final at the end, amended by new versions only."""

from uuid import UUID

from clinical.consultation import access, rules
from clinical.consultation.documents import CLOSING_NOTE
from clinical.consultation.models import Consultation, NoteVersion
from clinical.consultation.notices import refresh_lists
from core import audit
from core.crypto.keyring import installed_keyring
from core.crypto.row_mac import row_mac, row_mac_matches
from core.documents import DocumentFinished
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork

NOTE_TABLE = "consultations.closing_note"


async def save(
    uow: UnitOfWork, caller: Caller, consultation_id: UUID, diagnosis: str, advice: str
) -> Consultation:
    """Save the closing note as it is typed. Raises NotActive, ProofUndecided, ClosingNoteFinal."""
    row = await access.find(uow.session, caller, consultation_id, lock=True)
    rules.edit_note(row.standing, has_diagnosis=bool(diagnosis.strip()))
    row.diagnosis, row.advice = diagnosis, advice
    row.note_saved_at = uow.now
    return row


def finalise(uow: UnitOfWork, row: Consultation) -> None:
    """Make the note final under its MAC; from here on its doctor is asked to sign it."""
    row.note_final_at = uow.now
    row.note_mac = row_mac(installed_keyring(), NOTE_TABLE, row.note_values())
    uow.record(
        DocumentFinished(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            document_type=CLOSING_NOTE,
            signer_id=row.treating_doctor,
        )
    )


async def amend(
    uow: UnitOfWork,
    caller: Caller,
    consultation_id: UUID,
    diagnosis: str,
    advice: str,
    reason: str,
) -> Consultation:
    """Replace a final note by a new version that is signed again; the old one is kept.

    Raises ClosingNoteNotFinal, ClosingNoteRequired, ClosingNoteUnchanged, ProofUndecided.
    """
    row = await access.find(uow.session, caller, consultation_id, lock=True)
    rules.amend_note(
        row.standing,
        complete=rules.note_complete(row.kind, diagnosis, advice),
        changed=(diagnosis, advice) != (row.diagnosis, row.advice),
    )
    if diagnosis.strip():
        rules.diagnose(row.standing)
    assert row.note_final_at is not None
    uow.session.add(
        NoteVersion(
            id=new_id(),
            hospital_id=row.hospital_id,
            consultation_id=row.id,
            version=row.note_version,
            diagnosis=row.diagnosis,
            advice=row.advice,
            final_at=row.note_final_at,
            replaced_at=uow.now,
            replaced_by=caller.user_id,
            reason=reason,
        )
    )
    row.diagnosis, row.advice = diagnosis, advice
    row.note_version += 1
    row.note_saved_at = row.changed_at = uow.now
    finalise(uow, row)
    await uow.session.flush()
    await audit.record(
        uow,
        caller,
        "consultation.amend_note",
        "consultation",
        row.id,
        row.patient_id,
        detail={"version": row.note_version},
    )
    refresh_lists(uow, row)
    return row


def intact(row: Consultation) -> bool:
    """Whether a final closing note is exactly what was made final."""
    return row.note_mac is not None and row_mac_matches(
        installed_keyring(), NOTE_TABLE, row.note_values(), row.note_mac
    )
