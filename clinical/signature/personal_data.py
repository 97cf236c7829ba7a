"""What signing holds about a person: what was signed about a patient, and the own signature."""

from sqlalchemy import ColumnElement, or_, select

from clinical.signature.models import DocumentSignature
from core.personal_data import (
    Erased,
    Holding,
    RecordClass,
    Section,
    Subject,
    Tally,
    counted,
    register,
)
from core.uow import UnitOfWork

TITLE = "已签名的文书"


def _mine(subject: Subject) -> ColumnElement[bool]:
    """Documents about the subject's patients, and what the subject signed as a clinician."""
    return (DocumentSignature.hospital_id == subject.hospital_id) & or_(
        DocumentSignature.patient_id.in_(subject.patient_ids),
        DocumentSignature.user_id == subject.user_id,
    )


class SignatureData:
    """Signed documents with the text as it was signed. Staff's handwriting belongs to them."""

    name = "signature"

    async def holdings(self, uow: UnitOfWork, subject: Subject) -> list[Holding]:
        """Signed documents; they are kept like the medical records that they are part of."""
        return [
            await counted(
                uow,
                TITLE,
                RecordClass.MEDICAL,
                (DocumentSignature.signed_at, DocumentSignature.signed_at),
                _mine(subject),
                note="签名时的文书内容、签名值与时间戳",
            )
        ]

    async def export(self, uow: UnitOfWork, subject: Subject) -> list[Section]:
        """Every signed document about the subject's patients, with who signed it and the digest."""
        rows = await uow.session.scalars(
            select(DocumentSignature)
            .where(
                DocumentSignature.hospital_id == subject.hospital_id,
                DocumentSignature.patient_id.in_(subject.patient_ids),
            )
            .order_by(DocumentSignature.signed_at)
        )
        return [
            Section(
                title=TITLE,
                fields=(
                    ("title", "文书"),
                    ("version", "版本"),
                    ("signer", "签署人"),
                    ("signed_at", "签署时间"),
                    ("digest", "摘要（SM3）"),
                    ("text", "内容"),
                ),
                records=[
                    {
                        "title": row.content["title"],
                        "version": row.version,
                        "signer": row.signer_name,
                        "signed_at": row.signed_at,
                        "digest": row.digest,
                        "text": "\n".join(
                            f"{label}：{value}" for _, label, value in row.content["fields"]
                        ),
                    }
                    for row in rows
                ],
            )
        ]

    async def erase(self, uow: UnitOfWork, subject: Subject) -> list[Erased]:
        """Take the text out of signatures whose time is over; signature and digest stay."""
        rows = await uow.session.scalars(
            select(DocumentSignature)
            .where(
                DocumentSignature.hospital_id == subject.hospital_id,
                DocumentSignature.patient_id.in_(subject.patient_ids),
            )
            .order_by(DocumentSignature.id)
            .with_for_update()
        )
        documents = Tally(subject, RecordClass.MEDICAL)
        for row in rows.all():
            if documents.keeps(row.signed_at.date(), row.patient_id, row.document_id):
                continue
            if row.content["fields"]:
                row.content = {**row.content, "fields": [], "erased": subject.today.isoformat()}
                documents.erased += 1
        await uow.session.flush()
        return [documents.told(TITLE)]


register(SignatureData())
