"""What ratings hold about a person: what the account said about its doctors."""

from sqlalchemy import select, update

from clinical.rating.models import Rating
from core.personal_data import Erased, Holding, RecordClass, Section, Subject, counted, register
from core.uow import UnitOfWork

#: Stands where the name of a patient stood whose account is closed.
NOBODY = "匿名"


class RatingData:
    """Stars and words; the stars count in a doctor's average and name nobody."""

    name = "rating"

    async def holdings(self, uow: UnitOfWork, subject: Subject) -> list[Holding]:
        """How many ratings the account gave."""
        return [
            await counted(
                uow,
                "就诊评价",
                RecordClass.FREE,
                (Rating.at, Rating.at),
                Rating.rater_id == subject.user_id,
                Rating.hospital_id == subject.hospital_id,
                note="评分、标签与文字",
            )
        ]

    async def export(self, uow: UnitOfWork, subject: Subject) -> list[Section]:
        """Every rating in full."""
        rows = await uow.session.scalars(
            select(Rating)
            .where(
                Rating.rater_id == subject.user_id,
                Rating.hospital_id == subject.hospital_id,
            )
            .order_by(Rating.at, Rating.id)
        )
        return [
            Section(
                title="就诊评价",
                fields=(
                    ("patient", "就诊人"),
                    ("stars", "评分"),
                    ("tags", "标签"),
                    ("comment", "评价"),
                    ("at", "时间"),
                ),
                records=[
                    {
                        "patient": row.patient_name,
                        "stars": row.stars,
                        "tags": "、".join(row.tags),
                        "comment": row.comment,
                        "at": row.at,
                    }
                    for row in rows
                ],
            )
        ]

    async def erase(self, uow: UnitOfWork, subject: Subject) -> list[Erased]:
        """With the account go names and words."""
        if not subject.closing or subject.held:
            return []
        gone = await uow.session.execute(
            update(Rating)
            .where(
                Rating.rater_id == subject.user_id,
                Rating.hospital_id == subject.hospital_id,
            )
            .values(patient_name=NOBODY, comment="")
            .returning(Rating.id)
        )
        return [Erased(title="就诊评价", erased=len(gone.all()))]


register(RatingData())
