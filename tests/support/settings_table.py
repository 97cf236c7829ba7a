"""Writes the table of settings in docs/operating.md from the configuration itself."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from core.config import Config

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operating.md"
HEAD = "| setting | default | meaning |\n|---|---|---|\n"


def table() -> str:
    """One line a setting, in the order of the configuration."""
    return HEAD + "".join(_line(name, field) for name, field in Config.model_fields.items())


def _line(name: str, field: FieldInfo) -> str:
    default = field.default
    if default in (None, "", PydanticUndefined) or isinstance(default, SecretStr):
        shown = ""
    elif isinstance(default, Path):
        shown = f"`{default.name}`"
    else:
        shown = f"`{str(default).lower() if isinstance(default, bool) else default}`"
    meaning = (field.description or "").replace("|", "\\|")
    return f"| `ZHENJIAN_{name.upper()}` | {shown} | {meaning} |\n"


def written(page: str) -> str:
    """The page with the table of today."""
    start = page.index(HEAD)
    end = page.index("\n\n", start) + 1
    return page[:start] + table() + page[end:]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
