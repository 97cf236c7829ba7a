"""Where browsers report violations of the content policy."""

from urllib.parse import urlsplit

import orjson
import structlog

from core.defence.kinds import Kind, Limit
from core.defence.metrics import POLICY_VIOLATIONS
from core.defence.rates import Rate
from core.errors import MalformedRequest
from core.http import PUBLIC, Context, Routes

log = structlog.get_logger(__name__)
routes = Routes(tag="defence", title="安全防护")

#: Whoever loads a broken page reports at once; a few of many say the same.
LIMIT = Limit(Kind.REPORT, everybody=Rate(per_minute=300, burst=60))
_FETCHES = ("default", "script", "style", "img", "media", "font", "connect", "worker", "manifest")
_DIRECTIVES = frozenset(
    {
        f"{name}-src{part}"
        for name in (*_FETCHES, "frame", "object")
        for part in ("", "-elem", "-attr")
    }
    | {"frame-ancestors", "base-uri", "form-action"}
)
_KEYWORDS = frozenset({"inline", "eval", "wasm-eval", "data", "blob", "self", "about"})
_PAGES = frozenset({"console", "m", "api"})


@routes.post(
    "/policy-reports",
    roles=PUBLIC,
    status=204,
    transaction=False,
    max_body=16 * 1024,
    limit=LIMIT,
    summary="A browser reports a violation of the content policy",
)
async def policy_report(ctx: Context, raw_body: bytes) -> None:
    try:
        report = orjson.loads(raw_body)["csp-report"]
        directive = str(report.get("effective-directive") or report["violated-directive"])
        blocked, page = str(report.get("blocked-uri", "")), str(report.get("document-uri", ""))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise MalformedRequest() from error
    directive = directive.partition(" ")[0]
    directive = directive if directive in _DIRECTIVES else "other"
    POLICY_VIOLATIONS.labels(directive).inc()
    # Addresses hold tickets and identifiers, samples hold content: neither is written down.
    log.warning("policy_violation", directive=directive, blocked=_origin(blocked), page=_page(page))


def _origin(uri: str) -> str:
    """A keyword, or scheme and host of an address."""
    if uri in _KEYWORDS:
        return uri
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        return "unreadable"
    clean = "".join(char for char in host if char.isalnum() or char in ".-:")[:100]
    scheme = parts.scheme if parts.scheme in ("http", "https", "ws", "wss") else "other"
    return f"{scheme}://{clean}" if clean else scheme


def _page(uri: str) -> str:
    """The client that the page belongs to."""
    try:
        first = urlsplit(uri).path.strip("/").partition("/")[0]
    except ValueError:
        return "unreadable"
    return first if first in _PAGES else "other" if first else "home"
