"""Papers of one invented person, in the simulator's shape."""

from __future__ import annotations

from typing import Any

LAB: dict[str, Any] = {
    "report_no": "L1",
    "kind": "lab",
    "category": "静脉血",
    "title": "血常规",
    "department": "检验科",
    "released_at": "2026-11-03 10:21:00",
    "abnormal": None,
    "specimen": "静脉血",
    "ordered_by": "内科",
    "results": [
        {"code": "WBC", "name": "白细胞", "value": "11.2", "reference": "3.5-9.5", "unit": "G/L"},
        {"code": "HGB", "name": "血红蛋白", "value": "131", "reference": "115-150", "flag": None},
        {"code": "K", "name": "钾", "value": "2.4", "reference": "3.5-5.3", "flag": "LL"},
    ],
}
OLDER_LAB: dict[str, Any] = {
    **LAB,
    "report_no": "L0",
    "title": "肝功能",
    "released_at": "2026-06-30 23:59:00",
    "abnormal": False,
}
EXAM: dict[str, Any] = {
    "report_no": "E1",
    "kind": "exam",
    "category": "CT",
    "title": "胸部CT平扫",
    "department": "放射科",
    "released_at": "2026-10-02 09:30:00",
    "abnormal": True,
    "findings": "右肺上叶见直径约4mm的小结节。",
    "conclusion": "右肺上叶微小结节，建议复查。",
    "pictures": [{"picture_no": "E1P1", "title": "肺窗", "content_type": "text/html"}],
}
RECORD: dict[str, Any] = {
    "record_no": "R1",
    "visit_date": "2026-10-01",
    "department": "呼吸内科",
    "doctor": "陈静",
    "complaint": "咳嗽两周。",
    "diagnosis": "急性支气管炎",
    "advice": "一周后复查。",
    "medicines": ["氨溴索口服液"],
}


PRESCRIPTION: dict[str, Any] = {
    "prescription_no": "RX1",
    "issued_on": "2026-10-01",
    "kind": "western",
    "department": "呼吸内科",
    "doctor": "陈静",
    "diagnosis": "急性支气管炎",
    "lines": [
        {
            "name": "盐酸氨溴索口服溶液",
            "specification": "100ml:0.6g",
            "dose": "10ml",
            "route": "口服",
            "frequency": "每日三次",
            "days": 7,
            "quantity": "2",
            "unit": "瓶",
        }
    ],
}
HERBS: dict[str, Any] = {
    "prescription_no": "RX2",
    "issued_on": "2026-10-15",
    "kind": "herbal",
    "department": "中医科",
    "doctor": None,
    "diagnosis": "风燥伤肺证",
    "lines": [
        {"name": "桑叶", "quantity": "7.5", "unit": "g"},
        {"name": "薄荷", "quantity": "6", "unit": "g", "route": "后下"},
    ],
    "doses": 5,
    "usage": "水煎服，每日一剂，分两次温服。",
}


def person(name: str, number: str, **more: Any) -> dict[str, Any]:
    """Somebody with these papers."""
    return {
        "name": name,
        "id_number": number,
        "visits": [],
        "records": [RECORD],
        "reports": [OLDER_LAB, LAB, EXAM],
        "prescriptions": [PRESCRIPTION, HERBS],
        **more,
    }
