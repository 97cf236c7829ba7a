"""The verbs of rating: give, invite."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from clinical.consultation import access as consultations
from clinical.consultation.events import ConsultationEnded
from clinical.consultation.states import State
from clinical.people import access as people
from clinical.rating import access, errors
from clinical.rating.events import RatingGiven
from clinical.rating.models import Rating, RatingInvitation
from clinical.rating.tags import check_tags
from core.identity.caller import Caller
from core.uow import UnitOfWork
from realtime import inbox
from realtime import service as rooms
from realtime.notices import WECHAT, Category, declare

declare(
    "rating_received",
    Category.RATING,
    "新的评价",
    staff=True,
    outside="您收到一条新的评价，请登录查看",
    channels=WECHAT,
)
declare(
    "rating_invited",
    Category.RATING,
    "评价提醒",
    outside="本次服务已结束，欢迎评价",
    channels=WECHAT,
)
declare(
    "rating_reminder",
    Category.RATING,
    "未评价提醒",
    outside="您有一次服务尚未评价，欢迎评价",
    channels=WECHAT,
)


async def rate(
    uow: UnitOfWork,
    caller: Caller,
    consultation_id: UUID,
    *,
    stars: int,
    tags: list[str],
    comment: str,
) -> Rating:
    """Rate an ended consultation of the caller's, once. Raises NotRateable, AlreadyRated."""
    row = await consultations.find(uow.session, caller, consultation_id, lock=True)
    if row.state is not State.ENDED or row.close_reason not in consultations.SERVED:
        raise errors.NotRateable()
    if await access.of_consultations(uow.session, caller.hospital_id, [row.id]):
        raise errors.AlreadyRated()
    relations = await people.relations_by_id(uow.session, row.hospital_id, [row.relation_id])
    rating = Rating(
        hospital_id=row.hospital_id,
        consultation_id=row.id,
        doctor_id=row.treating_doctor,
        rater_id=caller.user_id,
        patient_name=relations[row.relation_id].patient.name,
        stars=stars,
        tags=check_tags(tags),
        comment=comment.strip(),
        at=uow.now,
    )
    uow.session.add(rating)
    await uow.session.flush()
    uow.record(
        RatingGiven(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            doctor_id=row.treating_doctor,
            rater_id=caller.user_id,
            stars=stars,
        )
    )
    await inbox.notify(
        uow,
        [row.treating_doctor],
        hospital_id=row.hospital_id,
        type="rating_received",
        title="收到新的评价",
        text=f"患者给出了 {stars} 星评价",
        ref=("consultation", row.id),
    )
    return rating


async def invite(uow: UnitOfWork, event: ConsultationEnded) -> None:
    """Invite the patient once, by a line in the room and an inbox item."""
    if event.close_reason not in consultations.SERVED:
        return
    invited = await uow.session.scalar(
        insert(RatingInvitation)
        .values(consultation_id=event.aggregate_id, invited_at=uow.now)
        .on_conflict_do_nothing()
        .returning(RatingInvitation.consultation_id)
    )
    if invited is None:
        return
    await rooms.system_message(
        uow,
        event.room_id,
        "rating_invited",
        "本次问诊已结束，欢迎评价",
        {"card": {"type": "rating", "ref": str(event.aggregate_id), "title": "评价本次问诊"}},
        even_if_closed=True,
    )
    await inbox.notify(
        uow,
        [event.payer_id],
        hospital_id=event.hospital_id,
        type="rating_invited",
        title="请评价本次问诊",
        text="您的评价会帮助我们改进服务",
        ref=("consultation", event.aggregate_id),
    )
