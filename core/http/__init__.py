"""HTTP kit: typed routes on Starlette, problem details, idempotency keys, pages, OpenAPI."""

from core.http.context import Context
from core.http.pages import Page, decode_cursor, encode_cursor
from core.http.routes import ANY_ROLE, PUBLIC, Route, Routes

__all__ = [
    "ANY_ROLE",
    "PUBLIC",
    "Context",
    "Page",
    "Route",
    "Routes",
    "decode_cursor",
    "encode_cursor",
]
