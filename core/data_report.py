"""What the data classes of all columns come to: the handling of each class, and a report.

Each class has its own handling (S1-219). The table below is what the code does, in words; the
contract tests hold encryption, `core.masking`, `core.exports` and `core.audit` do the rest.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import MetaData

from core.crypto.columns import is_encrypted
from core.data_classes import DataClass, class_of, unclassified


@dataclass(frozen=True)
class Handling:
    """How values of one class are treated at rest, in exports, logs and audit; how long kept."""

    at_rest: str
    in_exports: str
    in_logs: str
    in_audit: str
    looks: str
    retention: str


HANDLING: dict[DataClass, Handling] = {
    DataClass.PUBLIC: Handling(
        at_rest="明文",
        in_exports="原样",
        in_logs="原样",
        in_audit="记录变更前后的值",
        looks="不记录",
        retention="随业务",
    ),
    DataClass.INTERNAL: Handling(
        at_rest="明文",
        in_exports="原样",
        in_logs="原样（其中的号码与令牌遮盖）",
        in_audit="记录变更前后的值",
        looks="不记录",
        retention="随业务",
    ),
    DataClass.PERSONAL: Handling(
        at_rest="SM4-GCM 加密；需要查找的另存 HMAC-SM3 盲索引",
        in_exports="遮盖；有“导出未遮盖内容”权限者除外",
        in_logs="遮盖",
        in_audit="记录变更前后遮盖的值",
        looks="工作人员的查看与导出均记录",
        retention="随其依附的记录；账号注销后删除或限制",
    ),
    DataClass.SENSITIVE: Handling(
        at_rest="SM4-GCM 加密；口令只存摘要",
        in_exports="不导出；有“导出未遮盖内容”权限者除外",
        in_logs="不出现",
        in_audit="只记录项目名称，不记录值",
        looks="工作人员的查看与导出均记录",
        retention="病历 15 年，沟通与音视频 3 年，审计至少 6 个月；法定保全优先",
    ),
}


def log_fields(metadata: MetaData) -> tuple[set[str], set[str]]:
    """Column names that say by themselves that a value is personal, or sensitive.

    A name that some other table uses for something harmless (`title`, `kind`) says nothing.
    """
    grades: dict[str, set[DataClass]] = defaultdict(set)
    for table in metadata.sorted_tables:
        for column in table.columns:
            grades[column.name].add(class_of(column) or DataClass.SENSITIVE)
    personal = {name for name, found in grades.items() if min(found) is DataClass.PERSONAL}
    sensitive = {name for name, found in grades.items() if min(found) is DataClass.SENSITIVE}
    return personal, sensitive


def lines(metadata: MetaData, *, everything: bool = False) -> Iterator[str]:
    """The report: columns without a class, then, with `everything`, counts and handling."""
    for column in unclassified(metadata):
        yield f"{column.table.name}.{column.name} has no data class"
    if not everything:
        return
    counts: Counter[DataClass] = Counter()
    encrypted: Counter[DataClass] = Counter()
    for table in metadata.sorted_tables:
        for column in table.columns:
            grade = class_of(column)
            if grade is not None:
                counts[grade] += 1
                encrypted[grade] += is_encrypted(column)
    yield f"{'class':<12}{'columns':>8}{'encrypted':>11}"
    for grade in DataClass:
        yield f"{grade.name.lower():<12}{counts[grade]:>8}{encrypted[grade]:>11}"
