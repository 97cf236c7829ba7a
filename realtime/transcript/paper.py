"""A transcript as a paper that people read: PDF with Chinese text (reportlab)."""

import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from core.identity.roles import Role
from realtime.entries import CLOSED
from realtime.transcript.content import digest_of, words

FONT = "STSong-Light"
#: Millimetres of the longer side of a small picture.
PICTURE = 45


def draw(content: Mapping[str, Any], pictures: Mapping[str, bytes], zone: ZoneInfo) -> bytes:
    """The paper; `pictures` by the ids of their files. CPU-bound: run it in a thread."""
    # The library takes a while to load; only a worker that makes a transcript needs it.
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.platypus import Image, Paragraph, SimpleDocTemplate, Spacer

    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    body = ParagraphStyle("body", fontName=FONT, fontSize=10, leading=15, wordWrap="CJK")
    small = ParagraphStyle("small", parent=body, fontSize=8.5, leading=12, textColor="#555555")
    title = ParagraphStyle("title", parent=body, fontSize=20, leading=30, spaceAfter=8)

    flow: list[Any] = [Paragraph("诊间沟通记录", title)]
    flow += [Paragraph(_text(line), body) for line in _cover(content, zone)]
    flow.append(Paragraph(_text(f"内容摘要（SM3）：{digest_of(content)}"), small))
    flow.append(Spacer(1, 5 * mm))
    for said in content["entries"]:
        flow.append(Paragraph(_text(_who(said, zone)), small))
        style = small if said["kind"] == "system" or said["state"] != "said" else body
        flow.append(Paragraph(_text(words(said)), style))
        file = said.get("file")
        if file is not None:
            flow.append(Paragraph(_text(f"SHA-256：{file['sha256']}"), small))
            if file["id"] in pictures:
                picture = Image(io.BytesIO(pictures[file["id"]]))
                picture._restrictSize(PICTURE * mm, PICTURE * mm)
                picture.hAlign = "LEFT"
                flow.append(picture)
        flow.append(Spacer(1, 2 * mm))
    out = io.BytesIO()
    page = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=18 * mm,
        bottomMargin=18 * mm,
        title="诊间沟通记录",
        author=content["hospital"],
    )

    def footer(canvas: Any, document: Any) -> None:
        canvas.setFont(FONT, 8)
        words_ = f"{content['number']} · 第 {document.page} 页"
        canvas.drawCentredString(A4[0] / 2, 10 * mm, words_)

    page.build(flow, onFirstPage=footer, onLaterPages=footer)
    return out.getvalue()


def _cover(content: Mapping[str, Any], zone: ZoneInfo) -> list[str]:
    room = content["room"]
    people = "、".join(
        f"{each['name']}（{Role(each['role']).label}）" for each in content["members"]
    )
    lines = [
        f"医院：{content['hospital']}",
        f"诊间：{content['subject']['title']}",
        f"参与人：{people}",
        f"开启时间：{_shown(room['opened_at'], zone)}",
    ]
    if room["closed_at"] is not None:
        lines.append(f"结束时间：{_shown(room['closed_at'], zone)} {_ending(content)}".rstrip())
    count = len(content["entries"])
    lines.append(f"记录编号：{content['number']}")
    lines.append(f"共 {count} 条，生成于 {_shown(content['made_at'], zone)}")
    return lines


def _who(said: Mapping[str, Any], zone: ZoneInfo) -> str:
    sender = said["sender"]
    who = "系统" if sender is None else f"{sender['name']}（{Role(sender['role']).label}）"
    reply = f" · 回复第 {said['reply_to']} 条" if said["reply_to"] else ""
    return f"{said['seq']}. {_shown(said['at'], zone)} {who}{reply}"


def _ending(content: Mapping[str, Any]) -> str:
    """How the room ended, in the words of its log; nothing when they were not kept."""
    said = (each for each in content["entries"] if each.get("body", {}).get("event") == CLOSED)
    return next((words(each) for each in said), "")


def _shown(at: str, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(at).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _text(line: str) -> str:
    return escape(line).replace("\n", "<br/>")
