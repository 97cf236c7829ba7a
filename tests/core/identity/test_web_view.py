"""From the mini-program into its web view."""

from datetime import timedelta

from core.clock import FakeClock
from tests.support.cast import Cast
from tests.support.http import Client

VIEW = {"id": "view-1", "name": "微信网页", "platform": "h5"}


async def code_of(client: Client, token: str) -> str:
    return str((await client.post("/auth/web-view", token=token)).expect(200)["code"])


async def test_the_web_view_of_a_mini_program_logs_the_same_person_in_once(
    client: Client, cast: Cast
) -> None:
    code = await code_of(client, cast.patient.token)
    login = {"code": code, "device": VIEW}
    tokens = (await client.post("/auth/login/web-view", json=login)).expect(200)
    assert (tokens["user"]["id"], tokens["role"]) == (str(cast.patient.user_id), "patient")
    (await client.get("/me", token=tokens["access_token"])).expect(200)
    again = await client.post("/auth/login/web-view", json=login)
    assert again.code == "login_attempt_invalid"


async def test_a_code_for_the_web_view_dies_after_a_minute_and_with_its_session(
    client: Client, cast: Cast, clock: FakeClock
) -> None:
    late = await code_of(client, cast.patient.token)
    clock.advance(timedelta(seconds=61))
    answer = await client.post("/auth/login/web-view", json={"code": late, "device": VIEW})
    assert answer.code == "login_attempt_invalid"

    orphan = await code_of(client, cast.doctor.token)
    (await client.post("/auth/logout", token=cast.doctor.token)).expect(204)
    answer = await client.post("/auth/login/web-view", json={"code": orphan, "device": VIEW})
    assert answer.code == "session_revoked"
