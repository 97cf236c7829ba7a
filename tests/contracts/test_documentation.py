"""What the documents say of the program is what the program does."""

import re

from core.config import Config
from tests.support.demo import ROOT
from tests.support.settings_table import PAGE, written


def test_every_setting_is_described_and_the_page_lists_them_all() -> None:
    undescribed = [name for name, field in Config.model_fields.items() if not field.description]
    assert undescribed == []
    page = PAGE.read_text()
    assert page == written(page), "run: python -m tests.support.settings_table"


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = []
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" in target or target.startswith("mailto:"):
                continue
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_code_path_named_in_the_security_page_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(
        r"`((?:core|realtime|media|clinical|admin|tests|deploy|clients|scripts|loadtests)/[\w./-]+)`",
        page,
    )
    assert len(named) > 40
    assert [path for path in named if not (ROOT / path).exists()] == []
