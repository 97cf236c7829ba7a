"""Proofs of a name, other logins, requests, ratings: all in the copy, and gone when they may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, select

from clinical.consent.copies import make_waiting
from clinical.consent.retention import close_due_accounts
from clinical.rating.models import Rating
from core.clock import FakeClock
from core.files.jobs import REMOVED
from core.files.models import File
from core.identity.certification.models import Certification
from core.identity.external.models import ExternalIdentity
from core.ids import new_id
from tests.clinical.story import Story

NUMBER = "119999198503140027"
OPENID = "oVirtual-openid-0001"
SESSION_KEY = "virtual-session-key"


async def remember(story: Story) -> UUID:
    """A certification that said yes, one that said no, one given up; WeChat; the card's file."""
    async with story.runtime.unit_of_work() as uow:
        picture = File(
            id=new_id(),
            hospital_id=story.cast.hospital_id,
            uploader_id=story.cast.patient.user_id,
            purpose="proof",
            name="身份证.jpg",
            kind="image",
            content_type="image/jpeg",
            size=1,
            sha256="0" * 64,
            storage_key="virtual",
            created_at=uow.now,
        )
        for place, outcome in enumerate(("match", "mismatch", "")):
            uow.session.add(
                Certification(
                    id=new_id(),
                    hospital_id=story.cast.hospital_id,
                    user_id=story.cast.patient.user_id,
                    method="card" if outcome == "match" else "alipay",
                    outcome=outcome,
                    name="林小满",
                    id_number=NUMBER,
                    front_file_id=picture.id if outcome == "match" else None,
                    created_at=uow.now - timedelta(days=2, minutes=-place),
                    finished_at=uow.now if outcome else None,
                )
            )
        await uow.session.flush()
        proved = await uow.session.scalar(
            select(Certification.id).where(Certification.outcome == "match")
        )
        picture.scope, picture.scope_id = "certification", proved
        uow.session.add(picture)
        uow.session.add(
            ExternalIdentity(
                id=new_id(),
                user_id=story.cast.patient.user_id,
                provider="wechat",
                tenant="wx-virtual",
                subject=OPENID,
                subject_index=bytes(32),
                session_key=SESSION_KEY,
                created_at=uow.now,
                last_used_at=uow.now,
            )
        )
    return picture.id


async def rated(story: Story) -> None:
    ended = await story.ended()
    body = {"stars": 5, "tags": [], "comment": "陈大夫很耐心"}
    path = f"/consultations/{ended['id']}/rating"
    (await story.ask(story.cast.patient, "POST", path, body)).expect(201)


async def ask(story: Story, right: str, **more: Any) -> dict[str, Any]:
    body = {"right": right, **more}
    answer = await story.ask(story.cast.patient, "POST", "/rights/requests", body)
    request: dict[str, Any] = answer.expect(201)
    return request


async def count(story: Story, model: Any, *where: Any) -> int:
    async with story.runtime.unit_of_work() as uow:
        found = await uow.session.scalar(select(func.count()).select_from(model).where(*where))
    return int(found or 0)


async def test_the_copy_holds_proofs_other_logins_requests_and_ratings_but_no_secrets(
    story: Story,
) -> None:
    await remember(story)
    await rated(story)
    await ask(story, "restriction", words="请停止用于质量抽查")
    held = {each["title"]: each for each in await story.get(story.cast.patient, "/rights/holdings")}
    counts = {name: held[name]["count"] for name in ("实名认证记录", "第三方登录", "就诊评价")}
    assert counts == {"实名认证记录": 3, "第三方登录": 1, "就诊评价": 1}
    assert held["个人信息权利请求"]["count"] == 1
    await ask(story, "copy")
    await make_waiting(story.runtime)
    stored = await story.runtime.storage.list("copies")
    data = await story.runtime.storage.get(next(e.key for e in stored if e.key.endswith("json")))
    sections = {each["title"]: each["records"] for each in orjson.loads(data)["sections"]}
    proofs = sections["实名认证记录"]
    assert [(row["outcome"], row["id_number"], row["pictures"]) for row in proofs] == [
        ("一致", NUMBER, 1),
        ("不一致", NUMBER, 0),
        ("未完成", NUMBER, 0),
    ]
    assert [(row["provider"], row["subject"]) for row in sections["第三方登录"]] == [
        ("微信", OPENID)
    ]
    assert sections["就诊评价"][0]["comment"] == "陈大夫很耐心"
    assert "请停止用于质量抽查" in [row["words"] for row in sections["个人信息权利请求"]]
    assert SESSION_KEY.encode() not in data


async def test_a_deletion_takes_proofs_that_came_to_nothing_and_leaves_the_one_that_counts(
    story: Story,
) -> None:
    await remember(story)
    request = await ask(story, "deletion", words="请删除不再需要的信息")
    path = f"/rights/requests/{request['id']}"
    officer = story.cast.administrator
    (await story.ask(officer, "POST", f"{path}/check", {"note": "短信核验"})).expect(200)
    body = {"outcome": "granted"}
    decided = (await story.ask(officer, "POST", f"{path}/decide", body)).expect(200)
    lines = {each["title"]: each["erased"] for each in decided["result"]}
    assert lines["实名认证记录"] == 2
    assert await count(story, Certification, Certification.outcome == "match") == 1
    assert await count(story, Certification) == 1
    assert await count(story, ExternalIdentity) == 1


async def test_with_the_account_go_proofs_pictures_other_logins_and_the_words_of_ratings(
    story: Story, clock: FakeClock
) -> None:
    picture = await remember(story)
    await rated(story)
    await ask(story, "account_closing")
    clock.advance(timedelta(days=8))
    await close_due_accounts(story.runtime)
    assert await count(story, Certification) == 0
    assert await count(story, ExternalIdentity) == 0
    async with story.runtime.unit_of_work() as uow:
        assert (await uow.session.get_one(File, picture)).scope == REMOVED
        [rating] = await uow.session.scalars(select(Rating))
        assert (rating.stars, rating.comment, rating.patient_name) == (5, "", "匿名")
