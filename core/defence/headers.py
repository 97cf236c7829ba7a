"""What browsers are told to enforce: content policy, framing, sniffing, referrer, permissions.

Pages run no inline script and no inline style and evaluate no text as code, so injected markup
stays markup. The frameworks (Vue, Element Plus, uni-app, ECharts) set styles through the object
model, which the policy does not concern: all pages were walked in Chromium without a violation.
Only the API viewer (Swagger UI) writes `<style>` elements and attributes, and has its own policy.
Answers of the API are data: whatever they hold, a browser that shows one as a page runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

REPORT_PATH = "/api/v1/policy-reports"
#: A year. Subdomains belong to the hospital, so it is not said for them.
STRICT_TRANSPORT = "max-age=31536000"

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": (
        "camera=(self), microphone=(self), geolocation=(self), display-capture=(self), "
        "autoplay=(self), fullscreen=(self), clipboard-write=(self), clipboard-read=(), "
        "payment=(), usb=(), serial=(), midi=(), browsing-topics=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
}
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
#: The API viewer, which needs inline styles.
VIEWER_PATH = "/api/docs"


@dataclass(frozen=True)
class Policies:
    """The headers of one installation. `public_url` names the host that sockets connect to."""

    public_url: str = ""
    #: Said over HTTPS only, and never by a demo: a browser would remember it for a year.
    strict_transport: bool = False
    _pages: str = field(init=False, default="")
    _viewer: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pages", _page_policy(self._sockets()))
        object.__setattr__(self, "_viewer", _page_policy("", style="'self' 'unsafe-inline'"))

    def of(self, path: str, scheme: str) -> dict[str, str]:
        """The headers for an answer that does not set them itself."""
        headers = dict(ALWAYS)
        if path == VIEWER_PATH:
            headers["Content-Security-Policy"] = self._viewer
        elif path.startswith("/api/") or path in ("/metrics", "/healthz", "/readyz"):
            headers["Content-Security-Policy"] = DATA_POLICY
            headers["Cache-Control"] = "no-store"
        else:
            headers["Content-Security-Policy"] = self._pages
        if scheme == "https" and self.strict_transport:
            headers["Strict-Transport-Security"] = STRICT_TRANSPORT
        return headers

    def _sockets(self) -> str:
        """The socket address by name, for browsers whose 'self' leaves WebSockets out."""
        parts = urlsplit(self.public_url)
        if not parts.hostname:
            return ""
        scheme = "wss" if parts.scheme == "https" else "ws"
        return f" {scheme}://{parts.netloc.rpartition('@')[2]}"


def _page_policy(sockets: str, style: str = "'self'") -> str:
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src {style}",
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "font-src 'self' data:",
            f"connect-src 'self'{sockets}",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "frame-src 'self' blob:",
            "object-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            f"report-uri {REPORT_PATH}",
        )
    )
