"""A copy of a person's data as a paper that people read: PDF with Chinese text (reportlab)."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from core.personal_data import Section

FONT = "STSong-Light"
MOST_IN_PAPER = 2000


@dataclass(frozen=True, kw_only=True)
class Cover:
    """What stands on the first page."""

    hospital: str
    holder: str
    number: str
    made_at: datetime
    zone: ZoneInfo


def shown(value: Any, zone: ZoneInfo) -> str:
    """A value as a person reads it."""
    if value is None or value == "":
        return "—"
    if isinstance(value, datetime):
        return value.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "是" if value else "否"
    return str(value)


def draw(cover: Cover, sections: Sequence[Section]) -> bytes:
    """The paper: a cover, then each section record by record. CPU-bound: run it in a thread.

    A section shows its newest `MOST_IN_PAPER` records; the machine-readable file has all.
    """
    # The library takes a while to load; only a worker that makes a copy needs it.
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    body = ParagraphStyle("body", fontName=FONT, fontSize=10, leading=15, wordWrap="CJK")
    small = ParagraphStyle("small", parent=body, fontSize=8.5, leading=12, textColor="#555555")
    head = ParagraphStyle("head", parent=body, fontSize=14, leading=22, spaceBefore=10)
    title = ParagraphStyle("title", parent=body, fontSize=20, leading=30, spaceAfter=8)

    def text(words: str) -> str:
        return escape(words).replace("\n", "<br/>")

    flow: list[Any] = [
        Paragraph("个人信息副本", title),
        Paragraph(text(f"医院：{cover.hospital}"), body),
        Paragraph(text(f"信息主体：{cover.holder}"), body),
        Paragraph(text(f"请求编号：{cover.number}"), body),
        Paragraph(text(f"生成时间：{shown(cover.made_at, cover.zone)}"), body),
        Spacer(1, 4 * mm),
        Paragraph(
            "本副本含有您的敏感个人信息，请妥善保管，勿交给无关人员。机器可读的完整数据见同时提供的JSON文件。",
            small,
        ),
    ]
    for section in sections:
        flow.append(Paragraph(text(f"{section.title}（{len(section.records)}）"), head))
        if not section.records:
            flow.append(Paragraph("没有记录", small))
        for number, record in enumerate(section.records[-MOST_IN_PAPER:], 1):
            flow.append(Paragraph(_record(section, record, number, cover.zone, text), body))
            flow.append(Spacer(1, 2 * mm))
    out = io.BytesIO()
    page = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=18 * mm,
        bottomMargin=18 * mm,
        title="个人信息副本",
        author=cover.hospital,
    )

    def footer(canvas: Any, document: Any) -> None:
        canvas.setFont(FONT, 8)
        canvas.drawCentredString(A4[0] / 2, 10 * mm, f"{cover.number} · 第 {document.page} 页")

    page.build(flow, onFirstPage=footer, onLaterPages=footer)
    return out.getvalue()


def _record(
    section: Section, record: Mapping[str, Any], number: int, zone: ZoneInfo, text: Any
) -> str:
    lines = [
        f"<b>{text(label)}</b>：{text(shown(record.get(key), zone))}"
        for key, label in section.fields
    ]
    return f"{number}. " + "　".join(lines)
