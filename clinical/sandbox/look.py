"""The look of the simulators' pages: the design tokens that they need, and a frame."""

from __future__ import annotations

from html import escape
from urllib.parse import urlsplit

TOKENS = """
:root {
  --action: #0e8f88; --action-strong: #0a736d; --action-soft: #d9f0ee; --action-faint: #eff9f8;
  --waiting: #b86e00; --waiting-strong: #8f5500; --waiting-soft: #fdefd5; --waiting-faint: #fff9ee;
  --danger: #cf3030; --danger-soft: #fce3e1; --past: #7a858c; --past-soft: #eceff0;
  --ink: #172026; --ink-2: #46535b; --ink-3: #6c7880; --page: #f3f6f6; --card: #fff;
  --sunken: #eef2f2; --line: #dfe5e6;
  --family: -apple-system, BlinkMacSystemFont, "PingFang SC", "HarmonyOS Sans SC",
    "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif;
  --number: "DIN Alternate", "Roboto", "Helvetica Neue", "Noto Sans CJK SC", sans-serif;
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.55 var(--family);
  -webkit-font-smoothing: antialiased; }
button { font: inherit; cursor: pointer; }
"""


def web_address(text: str | None) -> str:
    """The text where it is an address that a browser may be sent to, else nothing."""
    parts = urlsplit(text or "")
    return text or "" if parts.scheme in ("http", "https") and parts.netloc else ""


def page(title: str, style: str, body: str) -> str:
    """A whole page; `body` is trusted HTML, `title` is escaped."""
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1,viewport-fit=cover">'
        f"<title>{escape(title)}</title><style>{TOKENS}{style}</style></head>"
        f"<body>{body}</body></html>"
    )
