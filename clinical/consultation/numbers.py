"""Consultation numbers: one row per hospital and business day counts up."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from clinical.consultation.models import ConsultationNumber
from clinical.days import business_day
from core.uow import UnitOfWork


async def next_number(uow: UnitOfWork, hospital_id: UUID) -> str:
    """`WZ20261121000042`: unique in the hospital, in order of time, gaps allowed.

    The row of the day stays locked until the transaction ends, so take the number late in it.
    """
    day = await business_day(uow, hospital_id)
    count = await uow.session.scalar(
        insert(ConsultationNumber)
        .values(hospital_id=hospital_id, day=day, last=1)
        .on_conflict_do_update(
            index_elements=[ConsultationNumber.hospital_id, ConsultationNumber.day],
            set_={"last": ConsultationNumber.last + 1},
        )
        .returning(ConsultationNumber.last)
    )
    return f"WZ{day:%Y%m%d}{count:06d}"
