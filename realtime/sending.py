"""Storing messages inside a transaction of the caller.

Live messages of sockets go through `realtime.messages`, which gathers them; both run the one
statement of `realtime.groups`. What a message with a file needs besides it happens here.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import ValidationError
from sqlalchemy import update

from core.crypto.scope import ForHospital
from core.errors import FieldProblem, InvalidRequest, ProblemError
from core.http.messages import field_problems
from core.uow import UnitOfWork
from realtime import attachments, schemas
from realtime.errors import MessageKindNotAllowed
from realtime.groups import STATEMENT, Group, Outcome, Send, Sent, group_end
from realtime.models import MessageRow
from realtime.rules import MessageKind
from realtime.schemas import Body, FileBody

__all__ = ["Outcome", "Send", "Sent", "check_body", "send_messages"]


def check_body(kind: MessageKind, body: dict[str, Any]) -> Body:
    """The typed body of a message of this kind. Raises `invalid` naming the fields."""
    shape = schemas.BODIES.get(kind)
    if shape is None:
        raise MessageKindNotAllowed
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        problems = [
            FieldProblem(f"body.{each.field}", each.message) for each in field_problems(error)
        ]
        raise InvalidRequest(fields=problems) from error


async def send_messages(uow: UnitOfWork, sends: Sequence[Send]) -> list[Outcome]:
    """Store messages in the order given; the outcome of each is its place or its named refusal.

    A refused message takes no number and disturbs no other. Nothing is announced. With many rooms
    at once, all of them are locked in the order of their ids unless a reply, a file or a repeated
    message cuts them into several groups: pass such messages in transactions of their own.
    """
    outcomes: list[Outcome] = []
    while len(outcomes) < len(sends):
        start = len(outcomes)
        part = sends[start : group_end(sends, start)]
        if isinstance(part[0].body, FileBody):
            outcomes.append(await _send_with_file(uow, part[0], part[0].body))
        else:
            group = Group(part)
            outcomes += group.outcomes(await _store(uow, group))
    return outcomes


async def _store(uow: UnitOfWork, group: Group) -> Sequence[Any]:
    await uow.session.flush()
    connection = await uow.session.connection()
    found = await connection.exec_driver_sql(STATEMENT, tuple(group.arguments(uow.now)))
    return found.all()


async def _send_with_file(uow: UnitOfWork, send: Send, body: FileBody) -> Outcome:
    """Number the message, hang the upload on it, write down what it carries: or nothing at all."""
    group = Group([send], [b"{}"])
    try:
        async with uow.session.begin_nested():
            rows = await _store(uow, group)
            [outcome] = group.outcomes(rows)
            if not isinstance(outcome, Sent) or outcome.duplicate:
                return outcome
            file = await attachments.attach_file(
                uow, send.caller, body.file.id, send.kind, group.ids[0]
            )
            stored: dict[str, Any] = {"file": file}
            if body.caption:
                stored["caption"] = body.caption
            await uow.session.execute(
                update(MessageRow)
                .where(MessageRow.room_id == send.room_id, MessageRow.seq == outcome.seq)
                .values(body=ForHospital(send.caller.hospital_id, stored))
                .execution_options(synchronize_session=False)
            )
    except ProblemError as refusal:
        return refusal
    group.bodies[0] = orjson.dumps(stored)
    return group.outcomes(rows)[0]
