"""What the demo's hospital prescribed at past visits. Invented; the drugs are everyday ones."""

from __future__ import annotations

from typing import Any

from admin.demo.dice import Dice

Paper = dict[str, Any]

#: name, specification, dose, route, frequency, days, quantity, unit
Drug = tuple[str, str, str, str, str, int, str, str]

WESTERN: dict[str, tuple[Drug, ...]] = {
    "呼吸内科": (
        (
            "布地奈德福莫特罗吸入粉雾剂",
            "160μg/4.5μg×60吸",
            "1吸",
            "吸入",
            "每日两次",
            30,
            "1",
            "支",
        ),
        ("盐酸氨溴索片", "30mg×20片", "30mg", "口服", "每日三次", 7, "2", "盒"),
    ),
    "心血管内科": (
        ("苯磺酸氨氯地平片", "5mg×28片", "5mg", "口服", "每日一次", 28, "1", "盒"),
        ("阿托伐他汀钙片", "20mg×7片", "20mg", "口服", "每晚一次", 28, "4", "盒"),
    ),
    "消化内科": (
        ("艾司奥美拉唑镁肠溶片", "20mg×14片", "20mg", "口服", "每日一次，早餐前", 28, "2", "盒"),
        ("铝碳酸镁咀嚼片", "0.5g×20片", "1g", "嚼服", "每日三次，餐后", 7, "3", "盒"),
    ),
    "内分泌科": (
        ("盐酸二甲双胍缓释片", "0.5g×30片", "1g", "口服", "每日一次，晚餐时", 30, "2", "盒"),
    ),
    "神经内科": (
        ("布洛芬缓释胶囊", "0.3g×20粒", "0.3g", "口服", "必要时", 5, "1", "盒"),
        ("盐酸氟桂利嗪胶囊", "5mg×20粒", "5mg", "口服", "每晚一次", 20, "1", "盒"),
    ),
    "儿科": (
        ("小儿氨酚黄那敏颗粒", "6g×10袋", "3g", "冲服", "每日三次", 3, "1", "盒"),
        ("丁酸氢化可的松乳膏", "10g", "薄涂", "外用", "每日两次", 7, "1", "支"),
    ),
    "妇科": (("屈螺酮炔雌醇片（Ⅱ）", "24片", "1片", "口服", "每日一次", 28, "1", "盒"),),
    "皮肤科": (
        ("氯雷他定片", "10mg×6片", "10mg", "口服", "每日一次", 12, "2", "盒"),
        ("过氧苯甲酰凝胶", "15g", "薄涂", "外用", "每晚一次", 30, "1", "支"),
    ),
    "骨科": (
        ("塞来昔布胶囊", "0.2g×6粒", "0.2g", "口服", "每日一次", 6, "1", "盒"),
        ("硫酸氨基葡萄糖胶囊", "0.25g×20粒", "0.5g", "口服", "每日三次", 20, "6", "盒"),
    ),
    "耳鼻喉科": (
        ("糠酸莫米松鼻喷雾剂", "50μg×60揿", "每侧2揿", "喷鼻", "每日一次", 15, "1", "瓶"),
    ),
    "眼科": (("玻璃酸钠滴眼液", "0.1%×5ml", "1滴", "滴眼", "每日四次", 30, "2", "支"),),
}
PATENT: dict[str, tuple[Drug, ...]] = {
    "呼吸内科": (("苏黄止咳胶囊", "0.45g×24粒", "3粒", "口服", "每日三次", 8, "3", "盒"),),
    "消化内科": (("气滞胃痛颗粒", "5g×9袋", "5g", "冲服", "每日三次", 6, "2", "盒"),),
    "神经内科": (("百乐眠胶囊", "0.27g×24粒", "4粒", "口服", "每日两次", 12, "4", "盒"),),
    "儿科": (("小儿豉翘清热颗粒", "2g×6袋", "2g", "冲服", "每日三次", 4, "2", "盒"),),
    "骨科": (("痹祺胶囊", "0.3g×48粒", "4粒", "口服", "每日两次", 12, "2", "盒"),),
}
#: Herb and grams in one dose; how it is treated, where that is not as all the others.
HERBS = (
    ("党参", "15", ""),
    ("麸炒白术", "12", ""),
    ("茯苓", "15", ""),
    ("炙甘草", "6", ""),
    ("陈皮", "9", ""),
    ("砂仁", "6", "后下"),
    ("木香", "6", "后下"),
    ("炒麦芽", "15", ""),
)


def prescribed(dice: Dice, visit: Paper, number: str) -> list[Paper]:
    """The prescriptions of a visit in the simulator's shape; their numbers begin with `number`."""
    department, found = visit["department"], []
    paper = {
        "issued_on": visit["visit_date"],
        "department": department,
        "doctor": visit.get("doctor") or "",
        "diagnosis": visit["diagnosis"],
    }
    if department == "中医科":
        herbs = {"kind": "herbal", "lines": [_herb(*each) for each in HERBS]}
        usage = "水煎400ml，早晚分两次温服，每日一剂。"
        return [
            {
                **paper,
                **herbs,
                "prescription_no": number,
                "doses": dice.between(5, 14),
                "usage": usage,
            }
        ]
    for kind, drugs, mark in (("western", WESTERN, ""), ("patent", PATENT, "C")):
        lines = [_line(drug) for drug in drugs.get(department, ())]
        if lines and (kind == "western" or dice.chance(0.5)):
            numbered = {"kind": kind, "prescription_no": f"{number}{mark}", "lines": lines}
            found.append({**paper, **numbered})
    return found


def _line(drug: Drug) -> Paper:
    names = ("name", "specification", "dose", "route", "frequency", "days", "quantity", "unit")
    return dict(zip(names, drug, strict=True))


def _herb(name: str, grams: str, treatment: str) -> Paper:
    return {"name": name, "specification": "", "route": treatment, "quantity": grams, "unit": "g"}
