"""What the demo's hospital wrote down of past visits: records, reports and prescriptions.

Invented, and known to the simulated HIS alone. Every visit has its record and most a prescription;
many have blood tests, some have pictures taken. Values wander around the reference, and one in six
leaves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from admin.demo.dice import Dice
from admin.demo.hospital_prescriptions import prescribed

Paper = dict[str, Any]


@dataclass(frozen=True)
class Test:
    """One value of a panel with its normal range."""

    code: str
    name: str
    unit: str
    low: float
    high: float
    digits: int = 1


@dataclass(frozen=True)
class Panel:
    """Tests that are ordered together."""

    title: str
    specimen: str
    tests: tuple[Test, ...]
    words: tuple[tuple[str, str], ...] = ()


PANELS = (
    Panel(
        "血常规",
        "静脉血",
        (
            Test("WBC", "白细胞计数", "10^9/L", 3.5, 9.5),
            Test("RBC", "红细胞计数", "10^12/L", 4.0, 5.5, 2),
            Test("HGB", "血红蛋白", "g/L", 120, 160, 0),
            Test("PLT", "血小板计数", "10^9/L", 125, 350, 0),
            Test("NEUT", "中性粒细胞百分比", "%", 40, 75),
        ),
    ),
    Panel(
        "肝功能",
        "血清",
        (
            Test("ALT", "丙氨酸氨基转移酶", "U/L", 9, 50, 0),
            Test("AST", "天门冬氨酸氨基转移酶", "U/L", 15, 40, 0),
            Test("TBIL", "总胆红素", "μmol/L", 5, 21),
            Test("ALB", "白蛋白", "g/L", 40, 55),
        ),
    ),
    Panel(
        "血脂与血糖",
        "血清",
        (
            Test("GLU", "空腹血糖", "mmol/L", 3.9, 6.1),
            Test("CHOL", "总胆固醇", "mmol/L", 2.8, 5.2, 2),
            Test("TG", "甘油三酯", "mmol/L", 0.4, 1.7, 2),
            Test("LDL", "低密度脂蛋白胆固醇", "mmol/L", 1.0, 3.4, 2),
        ),
    ),
    Panel(
        "尿常规",
        "尿液",
        (Test("PH", "酸碱度", "", 5.0, 8.0), Test("SG", "比重", "", 1.005, 1.03, 3)),
        (("PRO", "尿蛋白"), ("GLU-U", "尿糖"), ("KET", "酮体")),
    ),
)


@dataclass(frozen=True)
class Examination:
    """An examination with its sentences."""

    category: str
    title: str
    department: str
    findings: str
    conclusion: str
    abnormal: bool
    pictures: int


EXAMINATIONS = (
    Examination(
        "CT",
        "胸部CT平扫",
        "放射科",
        "双肺纹理清晰，右肺上叶见一直径约4mm的实性小结节，边界清楚。纵隔未见肿大淋巴结，胸膜腔未见积液。",
        "右肺上叶微小结节，建议12个月后复查。",
        True,
        2,
    ),
    Examination(
        "DR",
        "胸部正位片",
        "放射科",
        "胸廓对称，双肺野清晰，心影大小形态正常，双侧膈面光滑，肋膈角锐利。",
        "心肺膈未见明显异常。",
        False,
        1,
    ),
    Examination(
        "超声",
        "腹部彩超（肝胆胰脾）",
        "超声医学科",
        "肝脏回声细密增强，后方回声略衰减，血管走行欠清。胆囊壁光滑，腔内未见异常回声。胰脾未见异常。",
        "轻度脂肪肝声像图改变。",
        True,
        2,
    ),
    Examination(
        "心电图",
        "十二导联心电图",
        "心电图室",
        "窦性心律，心率72次/分，PR间期150ms，QRS波形态正常，ST-T未见偏移。",
        "窦性心律，正常心电图。",
        False,
        1,
    ),
    Examination(
        "MR",
        "颈椎MR平扫",
        "放射科",
        "颈椎生理曲度变直，C5/6椎间盘轻度后突，硬膜囊前缘受压，脊髓信号未见异常。",
        "C5/6椎间盘轻度突出。",
        True,
        1,
    ),
)


def papers_of(dice: Dice, visits: list[Paper], prefix: str) -> dict[str, list[Paper]]:
    """The papers of visits in the simulator's shape; their numbers begin with `prefix`."""
    records: list[Paper] = []
    reports: list[Paper] = []
    prescriptions: list[Paper] = []
    for place, visit in enumerate(visits):
        day = date.fromisoformat(visit["visit_date"])
        issued = prescribed(dice, visit, f"{prefix}P{place + 1}")
        prescriptions += issued
        drugs = [
            f"{line['name']} {line['specification']}" for paper in issued for line in paper["lines"]
        ]
        records.append(_record(dice, visit, f"{prefix}R{place + 1}", drugs))
        for turn in range(dice.between(0, 2)):
            number = f"{prefix}L{place + 1}{turn + 1}"
            reports.append(_lab(dice, dice.choice(PANELS), day, visit, number))
        if dice.chance(0.6):
            number = f"{prefix}E{place + 1}"
            reports.append(_exam(dice.choice(EXAMINATIONS), day, visit, number))
    return {"records": records, "reports": reports, "prescriptions": prescriptions}


def _record(dice: Dice, visit: Paper, number: str, drugs: list[str]) -> Paper:
    diagnosis, days = visit["diagnosis"], dice.between(2, 14)
    return {
        "record_no": number,
        "visit_date": visit["visit_date"],
        "department": visit["department"],
        "doctor": visit.get("doctor") or "",
        "complaint": f"因“{diagnosis}”相关不适{days}天就诊。",
        "history": f"{days}天前出现症状，无发热，饮食睡眠尚可，二便正常。否认药物过敏史。",
        "examination": f"神志清，心率{dice.between(64, 88)}次/分，"
        f"血压{dice.between(112, 138)}/{dice.between(68, 88)}mmHg，心肺听诊未闻及明显异常。",
        "diagnosis": diagnosis,
        "advice": "规律用药，清淡饮食，适当活动；症状加重时及时就诊，两周后复查。",
        "medicines": [drug.strip() for drug in drugs],
    }


def _lab(dice: Dice, panel: Panel, day: date, visit: Paper, number: str) -> Paper:
    results = [_value(dice, test) for test in panel.tests]
    results += [
        {"code": code, "name": name, "value": "阴性", "unit": "", "reference": "阴性", "flag": ""}
        for code, name in panel.words
    ]
    return {
        "report_no": number,
        "kind": "lab",
        "category": panel.specimen,
        "title": panel.title,
        "department": "检验科",
        "released_at": f"{day.isoformat()} {dice.between(10, 16):02d}:{dice.between(0, 59):02d}:00",
        "abnormal": any(each["flag"] for each in results),
        "ordered_by": visit["department"],
        "reported_by": "检验科值班技师",
        "specimen": panel.specimen,
        "results": results,
    }


def _value(dice: Dice, test: Test) -> Paper:
    width = test.high - test.low
    share, flag = dice.between(10, 90) / 100, ""
    if dice.chance(0.16):
        share, flag = (1 + dice.between(8, 40) / 100, "H")
    return {
        "code": test.code,
        "name": test.name,
        "value": f"{test.low + width * share:.{test.digits}f}",
        "unit": test.unit,
        "reference": f"{test.low:g}-{test.high:g}",
        "flag": flag,
    }


def _exam(examination: Examination, day: date, visit: Paper, number: str) -> Paper:
    released = day + timedelta(days=1)
    return {
        "report_no": number,
        "kind": "exam",
        "category": examination.category,
        "title": examination.title,
        "department": examination.department,
        "released_at": f"{released.isoformat()} 09:30:00",
        "abnormal": examination.abnormal,
        "ordered_by": visit["department"],
        "reported_by": f"{examination.department}报告医师",
        "findings": examination.findings,
        "conclusion": examination.conclusion,
        "pictures": [
            {
                "picture_no": f"{number}P{place + 1}",
                "title": f"{examination.title} {place + 1}",
                "content_type": "image/png",
            }
            for place in range(examination.pictures)
        ]
        + [
            {
                "picture_no": f"{number}P0",
                "title": f"{examination.title}报告单（PDF）",
                "content_type": "application/pdf",
            }
        ],
    }
