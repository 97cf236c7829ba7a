"""Injection: a corpus of what attackers send, through every string of every route.

Nothing may fail without a name, change a header, or come back as markup, a formula or a second log
line.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog

from core.http.routes import Route
from core.identity.roles import Role
from core.masking import mask_log_event
from core.modules import Modules
from core.storage import StorageError
from tests.clinical.story import Story
from tests.support.cast import Cast
from tests.support.http import Client, Response
from tests.support.samples import body_of, path_of, query_of, replaced, strings_in

CORPUS: list[Any] = [
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    "1) UNION SELECT password FROM users --",
    "\\'; SELECT pg_sleep(10); --",
    "%",
    "_%_",
    "a\x00b",
    "\r\nSet-Cookie: admin=1",
    "\n2026 level=error forged line",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "../../../../etc/passwd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "\u202e\u2066\ufeff\ufffe",
    "\U0001f9d1\u200d\u2695\ufe0f" * 20,
    "i\u0307\u0130\u1e9e\ufb01",
    "A" * 70_000,
    "2026-02-30T25:61:61Z",
    "9" * 400,
    "NaN",
]
CONFUSED: list[Any] = [
    None, True, 0, -1, 2**63, 1e308, [], {}, [[]], {"$ne": None}, {"__proto__": {}}, ["a"] * 50,
]  # fmt: skip
#: How many of the corpus each place gets; the next place gets the next ones.
EACH = 4


def caller_of(cast: Cast, route: Route) -> str | None:
    """A token that the route admits."""
    if route.is_public:
        return None
    role = sorted(route.roles & {Role.PATIENT, Role.DOCTOR, Role.ADMINISTRATOR}) or sorted(
        route.roles
    )
    return cast.of(role[0]).token


async def trouble(client: Client, route: Route, **request: Any) -> str:
    """What is wrong with the answer to an attack; nothing when it is a named one."""
    try:
        answer = await client.request(route.method, request.pop("path", path_of(route)), **request)
    # Whatever comes out of the application is the finding.
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {str(error)[:200]}"
    return complaint(answer)


def complaint(answer: Response) -> str:
    if answer.status == 500 or (answer.status > 500 and answer.code == "internal_error"):
        return f"{answer.status} {answer.code}"
    if "set-cookie" in answer.headers or any("\r" in each for each in answer.headers.values()):
        return "a header was injected"
    kind = answer.headers.get("content-type", "")
    if kind.startswith("text/html"):
        return "answered as a page"
    if answer.status >= 400 and b"Traceback" in answer.body:
        return "a trace was told"
    if answer.status >= 400 and not answer.json.get("code"):
        return f"{answer.status} without a code"
    return ""


def attacks(
    route: Route, words: Iterator[Any], oddities: Iterator[Any]
) -> Iterator[dict[str, Any]]:
    """Requests with one word of the corpus in one place each."""
    body, query = body_of(route), query_of(route)
    for place in strings_in(body):
        for word in itertools.islice(words, EACH):
            yield {"json": replaced(body, place, word), "query": query}
    if isinstance(body, dict):
        for name in body:
            for odd in itertools.islice(oddities, EACH):
                yield {"json": replaced(body, (name,), odd), "query": query}
        yield {"json": [body], "query": query}
        yield {"json": {**body, "extra\x00": "'"}, "query": query}
    for name in route.query_model.model_fields if route.query_model else ():
        for word in itertools.islice(words, EACH):
            text = str(word)[:4000]
            yield {"json": body, "query": {**query, name: text}}
    for name in route.path_params:
        for word in itertools.islice(words, EACH):
            given = re.sub(r"[\x00-\x1f/?# \\]|[^\x00-\x7f]", "-", str(word))[:2000] or "-"
            yield {"json": body, "query": query, "path": path_of(route, **{name: given})}


@pytest.mark.requirement("S4-074")
async def test_every_string_of_every_route_takes_the_corpus(
    adapters: None, story: Story, modules: Modules
) -> None:
    words, oddities = itertools.cycle(CORPUS), itertools.cycle(CONFUSED)
    asked, found = 0, []
    for route in modules.routes:
        if route.path in ("/auth/logout",):
            continue
        for attack in attacks(route, words, oddities):
            wrong = await trouble(story.client, route, token=caller_of(story.cast, route), **attack)
            asked += 1
            if wrong:
                found.append(f"{route.method} {route.path}: {wrong} <- {str(attack)[:300]}")
    assert asked > 500
    assert not found, "\n".join(found)
    await still_logged_in(story)


async def still_logged_in(story: Story) -> None:
    """Otherwise the rest of the routes only refused a stranger."""
    for who in (story.cast.patient, story.cast.doctor, story.cast.administrator):
        (await story.ask(who, "GET", "/me")).expect(200)


async def test_wildcards_find_themselves_and_nothing_else(story: Story) -> None:
    await story.waiting()
    cast = story.cast
    lists = [
        (cast.administrator, "/consultations"),
        (cast.supervisor, "/consultations"),
        (cast.administrator, "/staff"),
        (cast.patient, "/doctors"),
    ]
    for who, path in lists:
        for word in ("%25", "_", "%25%25", "\\", "_%25_", "%5C%25"):
            answer = (await story.ask(who, "GET", f"{path}?q={word}")).expect(200)
            items = answer["items"] if isinstance(answer, dict) else answer
            assert items == [], (path, word)


async def test_a_table_for_spreadsheets_holds_no_formula(story: Story) -> None:
    consultation = await story.draft()
    await story.complete(consultation)
    key = consultation["id"]
    for formula in ("=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0"):
        edit = {"description": f"{formula} 咳嗽三天，夜间加重。", "onset": "三天前"}
        (await story.ask(story.cast.patient, "PATCH", f"/consultations/{key}", edit)).expect(200)
    await story.do(story.cast.patient, key, "submit")
    answer = await story.ask(story.cast.administrator, "GET", "/consultations/export.csv")
    assert answer.headers["content-disposition"].startswith("attachment")
    for row in csv.reader(io.StringIO(answer.body.decode("utf-8-sig"))):
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\t", "\r")), cell


def test_a_log_line_stays_one_line() -> None:
    render = structlog.processors.JSONRenderer(ensure_ascii=False)
    for word in [each for each in CORPUS if isinstance(each, str)]:
        line = render(None, "info", mask_log_event(None, "info", {"event": word, "path": word}))
        assert "\n" not in str(line)
        assert "\r" not in str(line)
        assert isinstance(orjson.loads(str(line).encode("utf-8", "replace")), dict)


async def test_a_request_id_is_taken_only_when_it_is_one(client: Client) -> None:
    for given in ("a" * 65, "x\ty", "<b>", "a b", "é", "a;b", ""):
        answer = await client.get("/hospitals", headers={"x-request-id": given})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"]), given
    kept = await client.get("/hospitals", headers={"x-request-id": "abc-123"})
    assert kept.headers["x-request-id"] == "abc-123"


CLIMBS = [
    "..", "../secret", "../../etc/passwd", "/etc/passwd", "a/../../b", "a/./../../b", "a//b",
    "a\\..\\b", "a/\x00", "", ".", "./a", "a/..", "~root/x", "C:/x", "a" * 2000, "a/" * 300 + "b",
]  # fmt: skip


async def test_a_storage_key_never_leaves_the_storage(story: Story) -> None:
    root = story.runtime.config.data_dir
    outside = root / "secret"
    outside.write_bytes(b"kept from everybody")
    for key in CLIMBS:
        try:
            content = b"".join([piece async for piece in story.runtime.storage.stream(key, 0, 10)])
        except (StorageError, ValueError, OSError):
            continue
        assert content == b"", key


@pytest.mark.parametrize("client_of", ["/console/", "/m/"])
async def test_static_files_end_at_their_folder(client: Client, client_of: str) -> None:
    paths = [
        "../index.html", "../../package.json", "..%2f..%2fpackage.json", "%2e%2e/%2e%2e/app.py",
        "....//....//app.py", "..\\..\\app.py", "assets/../../../package.json", "/etc/passwd",
        "%00", "assets/%00.js", ".%2e/.%2e/package.json", "//etc/passwd", "assets/..;/..;/app.py",
    ]  # fmt: skip
    for path in paths:
        answer = await client.get("/" + client_of + path)
        assert answer.status in (400, 404), path
        assert b"root:" not in answer.body
        assert b'"dependencies"' not in answer.body


async def test_no_route_sets_or_reads_a_cookie_and_other_origins_stay_outside(
    client: Client, cast: Cast, modules: Modules, adapters: None
) -> None:
    """Bearer tokens in a header alone: a foreign page can make no browser send what counts."""
    foreign = {
        "origin": "https://evil.test",
        "cookie": f"token={cast.patient.token}; session={cast.patient.token}",
        "sec-fetch-site": "cross-site",
    }
    for route in modules.routes:
        answer = await client.request(
            route.method,
            path_of(route),
            json=body_of(route),
            query=query_of(route),
            headers=foreign,
        )
        names = set(answer.headers)
        assert "set-cookie" not in names, route.path
        assert not {name for name in names if name.startswith("access-control-")}, route.path
        if not route.is_public:
            assert answer.code == "unauthenticated", route.path
    preflight = await client.request(
        "OPTIONS", "/me",
        headers={"origin": "https://evil.test", "access-control-request-method": "DELETE"},
    )  # fmt: skip
    assert not {name for name in preflight.headers if name.startswith("access-control-")}
    assert preflight.status == 405


@pytest.mark.requirement("S1-249")
async def test_every_answer_carries_what_browsers_enforce(
    client: Client, cast: Cast, modules: Modules, adapters: None
) -> None:
    for path in ("/", "/console/", "/m/", "/api/docs"):
        answer = await client.get("/" + path)
        policy = answer.headers["content-security-policy"]
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert scripts == "script-src 'self'", path
        assert "frame-ancestors 'none'" in policy
        assert "object-src 'none'" in policy
        assert not re.search(rb"<script(?![^>]*\bsrc=)[^>]*>|\son\w+=", answer.body), path
    for route in modules.routes:
        answer = await client.request(route.method, path_of(route), token=caller_of(cast, route))
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store", route.path
        assert headers["content-security-policy"].startswith("default-src 'none'"), route.path
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=(self)" in headers["permissions-policy"]
        assert "strict-transport-security" not in headers


async def test_reports_of_violations_are_counted_without_anything_personal(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    report = {
        "csp-report": {
            "document-uri": "https://h.test/m/pages/room?ticket=secret-ticket",
            "effective-directive": "script-src-elem",
            "blocked-uri": "https://evil.test/x.js?patient=林小满",
            "script-sample": "secret-sample",
        }
    }
    headers = {"content-type": "application/csp-report"}
    sent = orjson.dumps(report)
    with structlog.testing.capture_logs() as logs:
        assert (await client.post("/policy-reports", body=sent, headers=headers)).status == 204
        for broken in (b"", b"[]", b"{}", b'{"csp-report": 1}', b"\xff", b'{"csp-report":{}}'):
            answer = await client.post("/policy-reports", body=broken, headers=headers)
            assert answer.code == "malformed", broken
    (line,) = [each for each in logs if each["event"] == "policy_violation"]
    assert (line["directive"], line["blocked"], line["page"]) == (
        "script-src-elem", "https://evil.test", "m",
    )  # fmt: skip
    assert "secret" not in str(logs)
    assert "林小满" not in str(logs)
