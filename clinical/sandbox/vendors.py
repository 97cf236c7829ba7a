"""The small vendors: text messages, the real-name registry and the hospital information system."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clinical.sandbox.store import Document
from clinical.sandbox.world import World, mask_name, mask_number, refuse, world_of

Answer = Callable[[World, dict[str, Any]], Response]

TEMPLATES = {
    "login_code": "您的登录验证码是 {code}，5 分钟内有效，请勿告诉他人。",
    "second_factor_code": "您正在验证身份，验证码是 {code}，5 分钟内有效，请勿告诉他人。",
    "signing_pin_code": "您正在重置签名密码，验证码是 {code}，5 分钟内有效，请勿告诉他人。",
    "new_login": "您的账号于 {time} 在新的设备或地点登录。如非本人操作，请立即登录后修改密码。",
    "notice": "您有一条新的提醒，请登录查看。",
    "notice_link": "您有一条新的提醒，请登录查看：{link}",
}
CHECK_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def door(
    prefix: str, secret: str, switch: str, answer: Answer
) -> Callable[[Request], Awaitable[Response]]:
    """A signed JSON door: faults first, then the signature, then the work."""

    async def endpoint(request: Request) -> Response:
        world = world_of(request)
        body = await request.body()
        mode = world.faults.take(switch)
        if (down := await world.disturb(mode)) is not None:
            world.note(switch, "故障：没有正常应答", fault=mode)
            return down
        problem = world.check_hmac(request, prefix, getattr(world.keys.secrets, secret), body)
        if problem is not None:
            world.note(switch, "拒绝：签名校验未通过", code=problem)
            return refuse(401, problem, "签名校验未通过")
        try:
            content = json.loads(body)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            return refuse(400, "BODY_INVALID", "请求体不是 JSON 对象")
        return answer(world, {**content, "_fault": mode})

    return endpoint


# ---------------------------------------------------------------------------------------- SMS


def send_sms(world: World, content: dict[str, Any]) -> Response:
    phone, template = str(content.get("phone", "")), str(content.get("template", ""))
    params = content.get("params") or {}
    if content["_fault"] == "refused":
        return refuse(403, "LIMIT_EXCEEDED", "号码发送频率超限")
    if not (phone.isascii() and phone.isdigit() and len(phone) == 11 and phone.startswith("1")):
        return refuse(400, "PHONE_INVALID", "手机号格式错误")
    if not isinstance(params, dict):
        return refuse(400, "PARAMS_INVALID", "模板参数格式错误")
    text = TEMPLATES.get(template)
    if text is None:
        return refuse(400, "TEMPLATE_UNKNOWN", "短信模板未备案")
    for name in re.findall(r"{(\w+)}", text):
        if name not in params:
            return refuse(400, "PARAMS_INVALID", "模板参数不完整")
        text = text.replace("{" + name + "}", str(params[name]))
    out_id = str(content.get("out_id") or "")
    known = world.store.get("sms_out", out_id) if out_id else None
    if known is not None:
        # The same id of the sender again: it was sent, and is not sent a second time.
        world.note("sms", "重复提交，未再发送", phone=mask_number(phone), template=template)
        return JSONResponse({"code": "OK", "message_id": known["message_id"]})
    message_id = secrets.token_hex(12)
    if out_id:
        world.store.put("sms_out", out_id, {"message_id": message_id})
    message: Document = {
        "message_id": message_id,
        "at": world.now().isoformat(),
        "phone": phone,
        "template": template,
        "params": params,
        "text": f"【{content.get('sign_name') or '诊间'}】{text}",
        "status": "DELIVERED",
    }
    world.store.put("sms", message_id, message)
    world.note("sms", "发送短信", phone=mask_number(phone), template=template)
    if content["_fault"] == "answer_lost":
        return refuse(504, "TIMEOUT", "超时")
    return JSONResponse({"code": "OK", "message_id": message_id})


async def sms_receipt(request: Request) -> Response:
    message = world_of(request).store.get("sms", request.path_params["message_id"])
    if message is None:
        return refuse(404, "MESSAGE_NOT_FOUND", "没有这条短信")
    return JSONResponse({k: message[k] for k in ("message_id", "status", "at")})


async def sms_inbox(request: Request) -> Response:
    """Messages of one phone, newest first: how tests and the demo read a code."""
    world, phone = world_of(request), request.query_params.get("phone", "")
    found = [m for m in world.store.newest("sms", 200) if not phone or m["phone"] == phone]
    return JSONResponse({"messages": found})


# --------------------------------------------------------------------------- real-name registry


def id_number_is_sound(number: str) -> bool:
    """Whether an 18-character identity number has a right check digit (GB 11643)."""
    if len(number) != 18 or not (number[:17].isascii() and number[:17].isdigit()):
        return False
    total = sum(w * int(d) for w, d in zip(CHECK_WEIGHTS, number, strict=False))
    return "10X98765432"[total % 11] == number[17].upper()


def check_name(world: World, content: dict[str, Any]) -> Response:
    """Seeded people by their name; else a sound number matches, unless the name begins with 假."""
    name, number = str(content.get("name", "")), str(content.get("id_number", "")).upper()
    if not name or not number:
        return refuse(400, "PARAM_MISSING", "缺少姓名或证件号码")
    if content["_fault"] == "unavailable":
        return refuse(503, "SOURCE_UNAVAILABLE", "数据源维护中")
    known = world.store.get("identity", number)
    if content["_fault"] == "mismatch":
        result = "mismatch"
    elif known is not None:
        result = "match" if known["name"] == name else "mismatch"
    elif not id_number_is_sound(number):
        result = "no_record"
    else:
        result = "mismatch" if name.startswith("假") else "match"
    reference = "RN" + secrets.token_hex(10).upper()
    world.note(
        "real_name", "核验姓名", name=mask_name(name), id_number=mask_number(number), result=result
    )
    return JSONResponse({"result": result, "reference": reference})


# ------------------------------------------------------------------------------------------ HIS


def filed_person(world: World, content: dict[str, Any]) -> Document | None:
    number, card = content.get("id_number"), content.get("card_number")
    if number:
        return world.store.get("person", str(number).upper())
    if card:
        owner = world.store.get("card", str(card))
        return None if owner is None else world.store.get("person", owner["key"])
    return None


def find_person(world: World, content: dict[str, Any]) -> Response:
    person = filed_person(world, content)
    world.note(
        "his",
        "查找患者档案",
        id_number=mask_number(content.get("id_number")),
        card_number=mask_number(content.get("card_number")),
        found=person is not None,
    )
    if person is None:
        return refuse(404, "PERSON_NOT_FOUND", "没有找到患者档案")
    return JSONResponse({"person": _public(person)})


def open_file(world: World, content: dict[str, Any]) -> Response:
    name = str(content.get("name") or "")
    number = content.get("id_number") or content.get("guardian_id_number")
    if not name or not number:
        return refuse(400, "PARAM_MISSING", "缺少姓名或证件号码")
    # A child without a document is filed under the guardian's number together with its name.
    key = str(number).upper() if content.get("id_number") else f"{str(number).upper()}/{name}"
    person = world.store.get("person", key)
    if person is None:
        person = _file(world, key, content)
    world.note("his", "建档发卡", name=mask_name(name), card_number=person["card_number"])
    return JSONResponse({"person": _public(person)})


def list_visits(world: World, content: dict[str, Any]) -> Response:
    person = filed_person(world, content)
    if person is None or content["_fault"] == "empty":
        visits: list[Document] = []
    else:
        since = str(content.get("since") or "")
        visits = [v for v in person["visits"] if v["visit_date"] >= since]
    world.note(
        "his",
        "查询就诊记录",
        id_number=mask_number(content.get("id_number")),
        card_number=mask_number(content.get("card_number")),
        visits=len(visits),
    )
    if person is None:
        return refuse(404, "PERSON_NOT_FOUND", "没有找到患者档案")
    return JSONResponse({"visits": sorted(visits, key=lambda v: v["visit_date"], reverse=True)})


def _file(world: World, key: str, content: dict[str, Any]) -> Document:
    number = 10_000_001 + world.store.count("person")
    person: Document = {
        "key": key,
        "person_no": content.get("person_no") or f"P{number}",
        "card_number": content.get("card_number") or f"6{number:011d}",
        "name": content["name"],
        "visits": content.get("visits") or [],
        "records": content.get("records") or [],
        "reports": content.get("reports") or [],
        "prescriptions": content.get("prescriptions") or [],
    }
    world.store.put("person", key, person)
    world.store.put("card", person["card_number"], {"key": key})
    return person


def _public(person: Document) -> Document:
    return {name: person[name] for name in ("person_no", "card_number", "name")}


# ------------------------------------------------------------------------------------- seeding


async def seed_people(request: Request) -> Response:
    """`PUT /_sandbox/people {"people": [{name, id_number, card_number?, visits: [...], ...}]}`.

    Each becomes known to the registry and the HIS; a visit is `{visit_date, department, diagnosis,
    doctor?, visit_no?}` with an ISO date; `records`, `reports` and `prescriptions` are answered as
    they are given (`records.py`). Seeding the same number again replaces them all.
    """
    world = world_of(request)
    try:
        people = (await request.json())["people"]
        for entry in people:
            _seed(world, entry)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return refuse(400, "SEED_INVALID", f"种子数据格式错误：{error}")
    world.note("his", "导入患者档案", people=len(people))
    return JSONResponse({"people": len(people)})


def _seed(world: World, entry: dict[str, Any]) -> None:
    key = str(entry["id_number"]).upper()
    visits = [
        {
            "visit_no": str(visit.get("visit_no") or f"V{key[-6:]}{index:03d}"),
            "visit_date": date.fromisoformat(visit["visit_date"]).isoformat(),
            "department": str(visit["department"]),
            "diagnosis": str(visit["diagnosis"]),
            "doctor": str(visit.get("doctor") or ""),
        }
        for index, visit in enumerate(entry.get("visits") or [], 1)
    ]
    world.store.put("identity", key, {"name": str(entry["name"])})
    known = world.store.get("person", key)
    papers = {"visits": visits, **seeded_papers(entry)}
    if known is None:
        _file(world, key, {**entry, **papers})
    else:
        world.store.put("person", key, {**known, "name": entry["name"], **papers})


def seeded_papers(entry: dict[str, Any]) -> dict[str, list[Document]]:
    """The papers of a seeded person. Raises KeyError or ValueError for broken ones."""
    records, reports = entry.get("records") or [], entry.get("reports") or []
    for record in records:
        date.fromisoformat(record["visit_date"])
    for report in reports:
        datetime.fromisoformat(report["released_at"])
        if report["kind"] not in ("exam", "lab") or not report["report_no"]:
            raise ValueError("a report needs a kind and a number")
    prescriptions = entry.get("prescriptions") or []
    for prescription in prescriptions:
        date.fromisoformat(prescription["issued_on"])
        if not prescription["prescription_no"] or not all(
            line["name"] for line in prescription["lines"]
        ):
            raise ValueError("a prescription needs a number and drugs with names")
    return {"records": records, "reports": reports, "prescriptions": prescriptions}


routes = [
    Route("/sms/v1/messages", door("X-Sms", "sms_secret", "sms", send_sms), methods=["POST"]),
    Route("/sms/v1/messages/{message_id}", sms_receipt, methods=["GET"]),
    Route("/_sandbox/sms", sms_inbox, methods=["GET"]),
    Route(
        "/realname/v1/check",
        door("X-Realname", "real_name_secret", "real_name", check_name),
        methods=["POST"],
    ),
    Route(
        "/his/v1/persons/find", door("X-His", "his_secret", "his", find_person), methods=["POST"]
    ),
    Route("/his/v1/persons", door("X-His", "his_secret", "his", open_file), methods=["POST"]),
    Route(
        "/his/v1/visits/query", door("X-His", "his_secret", "his", list_visits), methods=["POST"]
    ),
    Route("/_sandbox/people", seed_people, methods=["PUT"]),
]
