"""The tags that a patient can choose from."""

from core.errors import FieldProblem, InvalidRequest

TAGS: tuple[str, ...] = (
    "讲解清楚",
    "耐心细致",
    "回复及时",
    "专业可靠",
    "态度亲切",
    "建议实用",
    "回复较慢",
    "讲解不够清楚",
)
MOST = 5


def check_tags(tags: list[str]) -> list[str]:
    """Known tags, each once, at most five. Raises InvalidRequest."""
    chosen = list(dict.fromkeys(tags))
    if len(chosen) > MOST or any(tag not in TAGS for tag in chosen):
        raise InvalidRequest(fields=[FieldProblem("tags", f"请从列表中选择，最多 {MOST} 个")])
    return chosen
