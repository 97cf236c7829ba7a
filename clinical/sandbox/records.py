"""The HIS's doors for medical records, reports with their pictures, and past prescriptions.

Every answer repeats the person's number; lists are cut by day and kind, details are asked for one
by one, pictures come as bytes. What there is was seeded (`PUT /_sandbox/people`): a file that was
opened here has no papers.
"""

from __future__ import annotations

import hashlib
import io
from typing import Any

from PIL import Image, ImageDraw, ImageFilter
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clinical.sandbox.store import Document
from clinical.sandbox.vendors import Answer, door
from clinical.sandbox.world import World, mask_number, refuse

SUMMARY = ("report_no", "kind", "category", "title", "department", "released_at", "abnormal")
PRESCRIPTION = ("prescription_no", "issued_on", "kind", "department", "doctor", "diagnosis")
OTHER_PERSON = "P99999999"


def _papers(answer: Answer, title: str) -> Answer:
    """The faults of these doors, and their lines in the journal."""

    def answered(world: World, content: dict[str, Any]) -> Response:
        fault = content["_fault"]
        world.note(
            "his_records", title, person_no=mask_number(content.get("person_no")), fault=fault
        )
        if fault == "refused":
            return refuse(403, "NOT_AUTHORISED", "接口未授权")
        if fault == "garbled":
            return Response("<html><body>It works!</body></html>", media_type="text/html")
        return answer(world, content)

    return answered


def _filed(world: World, content: dict[str, Any]) -> Document | None:
    wanted = content.get("person_no")
    return next((each for each in world.store.all("person") if each["person_no"] == wanted), None)


def _told_no(content: dict[str, Any], person: Document) -> str:
    return OTHER_PERSON if content["_fault"] == "other_person" else str(person["person_no"])


def list_records(world: World, content: dict[str, Any]) -> Response:
    person = _filed(world, content)
    if person is None:
        return refuse(404, "PERSON_NOT_FOUND", "没有找到患者档案")
    found = [
        each
        for each in person.get("records", [])
        if content["since"] <= each["visit_date"] <= content["until"]
    ]
    records = [] if content["_fault"] == "empty" else found
    return JSONResponse({"person_no": _told_no(content, person), "records": records})


def list_reports(world: World, content: dict[str, Any]) -> Response:
    person = _filed(world, content)
    if person is None:
        return refuse(404, "PERSON_NOT_FOUND", "没有找到患者档案")
    found = [
        {name: each.get(name) for name in SUMMARY}
        for each in person.get("reports", [])
        if each["kind"] == content["kind"]
        and content["since"] <= each["released_at"][:10] <= content["until"]
    ]
    reports = [] if content["_fault"] == "empty" else found
    return JSONResponse({"person_no": _told_no(content, person), "reports": reports})


def show_report(world: World, content: dict[str, Any]) -> Response:
    person = _filed(world, content)
    report = None if person is None else _report(person, content)
    if person is None or report is None or content["_fault"] == "empty":
        return refuse(404, "REPORT_NOT_FOUND", "没有这份报告")
    return JSONResponse({"person_no": _told_no(content, person), "report": report})


def show_picture(world: World, content: dict[str, Any]) -> Response:
    person = _filed(world, content)
    report = None if person is None else _report(person, content)
    known = {each["picture_no"]: each for each in (report or {}).get("pictures", [])}
    number = str(content.get("picture_no"))
    if person is None or number not in known:
        return refuse(404, "REPORT_NOT_FOUND", "没有这幅图像")
    paper = known[number].get("content_type") == "application/pdf"
    headers = {"X-His-Person": _told_no(content, person), "X-His-Picture": number}
    kind = "application/pdf" if paper else "image/png"
    return Response(drawn(number, paper=paper), media_type=kind, headers=headers)


def _report(person: Document, content: dict[str, Any]) -> Document | None:
    wanted = content.get("report_no")
    found = (each for each in person.get("reports", []) if each["report_no"] == wanted)
    return next(found, None)


def list_prescriptions(world: World, content: dict[str, Any]) -> Response:
    person = _filed(world, content)
    if person is None:
        return refuse(404, "PERSON_NOT_FOUND", "没有找到患者档案")
    found = [
        {
            **{name: each.get(name) for name in PRESCRIPTION},
            "drugs": [line["name"] for line in each["lines"]],
        }
        for each in person.get("prescriptions", [])
        if content["since"] <= each["issued_on"] <= content["until"]
    ]
    shown = [] if content["_fault"] == "empty" else found
    return JSONResponse({"person_no": _told_no(content, person), "prescriptions": shown})


def show_prescription(world: World, content: dict[str, Any]) -> Response:
    person, wanted = _filed(world, content), content.get("prescription_no")
    papers = [] if person is None else person.get("prescriptions", [])
    found = next((each for each in papers if each["prescription_no"] == wanted), None)
    if person is None or found is None or content["_fault"] == "empty":
        return refuse(404, "PRESCRIPTION_NOT_FOUND", "没有这张处方")
    return JSONResponse({"person_no": _told_no(content, person), "prescription": found})


def drawn(number: str, *, paper: bool = False) -> bytes:
    """An invented grey picture as a PNG, or a `paper` as a PDF: soft shapes on black, the same for
    the same number.
    """
    seed = hashlib.sha256(number.encode()).digest()
    picture = Image.new("L", (640, 640), 12)
    pen = ImageDraw.Draw(picture)
    for place in range(0, 24, 4):
        x, y, size, light = seed[place : place + 4]
        left, top, reach = 80 + x * 3 // 2, 80 + y * 3 // 2, 40 + size // 2
        pen.ellipse((left, top, left + reach, top + reach * 2), fill=40 + light // 2)
    picture = picture.filter(ImageFilter.GaussianBlur(14))
    ImageDraw.Draw(picture).text((20, 610), f"SIMULATED {number}", fill=160)
    file = io.BytesIO()
    picture.save(file, "PDF" if paper else "PNG")
    return file.getvalue()


routes = [
    Route(
        f"/his/v1/{path}",
        door("X-His", "his_secret", "his_records", _papers(answer, title)),
        methods=["POST"],
    )
    for path, title, answer in (
        ("records/query", "查询门诊病历", list_records),
        ("reports/query", "查询报告列表", list_reports),
        ("reports/detail", "查询报告详情", show_report),
        ("reports/picture", "调阅图像", show_picture),
        ("prescriptions/query", "查询处方列表", list_prescriptions),
        ("prescriptions/detail", "查询处方详情", show_prescription),
    )
]
