"""Alembic's entry: runs on the connection that :mod:`core.migrate` hands over."""

from typing import Any, Literal

from alembic import context
from sqlalchemy.types import TypeDecorator

from core.db import Base


def render_item(kind: str, item: Any, autogenerate: Any) -> str | Literal[False]:
    """Migrations name plain SQL types, so that they never depend on the program of a later day."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
