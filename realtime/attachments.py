"""What a message may carry besides words: uploads of the sender, and cards of registered types."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from core.files.access import register_viewer
from core.files.models import File, Purpose
from core.files.schemas import FileKind
from core.files.service import attach
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import UnitOfWork
from realtime import rules
from realtime.models import MessageRow, ParticipantRow, RoomRow
from realtime.rules import MessageKind
from realtime.schemas import CardBody

SCOPE = "message"

#: A message of kind `file` may carry anything: a picture sent as a document keeps its name.
_FILE_KINDS: dict[MessageKind, tuple[FileKind, ...]] = {
    MessageKind.IMAGE: (FileKind.IMAGE,),
    MessageKind.VOICE: (FileKind.VOICE,),
    MessageKind.VIDEO: (FileKind.VIDEO,),
    MessageKind.FILE: tuple(FileKind),
}


@dataclass(frozen=True)
class _CardType:
    """What a card shows, in a word, and who may send it."""

    name: str
    senders: frozenset[Role]


_card_types: dict[str, _CardType] = {}


def register_card(card_type: str, name: str, senders: Iterable[Role]) -> None:
    """Allow clients in these roles to send cards of this type; called at import by its module.

    `name` is the Chinese word for what it shows: lists mark it with that (`one_line.py`). A card
    names what it shows and never copies it: opening it asks its module, which checks again.
    """
    _card_types[card_type] = _CardType(name, frozenset(senders))


def may_send_card(caller: Caller, card: CardBody) -> bool:
    """Whether this caller may send a card of this type."""
    known = _card_types.get(card.type)
    return known is not None and caller.role in known.senders


def card_name(card_type: str) -> str | None:
    """What cards of this type show; None for one that no module has registered."""
    known = _card_types.get(card_type)
    return known.name if known else None


async def attach_file(
    uow: UnitOfWork, caller: Caller, file_id: UUID, kind: MessageKind, message_id: UUID
) -> dict[str, Any]:
    """Hang an upload of the sender on his message and return its reference as JSON.

    Raises `file_not_found` or `file_type_not_allowed`; nothing has changed then.
    """
    [ref] = await attach(
        uow,
        [file_id],
        SCOPE,
        message_id,
        caller,
        purposes=[Purpose.MESSAGE],
        kinds=_FILE_KINDS[kind],
    )
    return ref.model_dump(mode="json", exclude_none=True)


async def may_see_file(uow: UnitOfWork, caller: Caller, file: File) -> bool:
    """Whoever sees the room sees the file, until its message is recalled.

    A supervisor's look is recorded where he reads the messages, not at every part of a file.
    """
    found = await uow.session.execute(
        select(MessageRow, RoomRow.kind)
        .join(RoomRow, RoomRow.id == MessageRow.room_id)
        .where(MessageRow.id == file.scope_id, RoomRow.hospital_id == caller.hospital_id)
    )
    message, kind = found.one_or_none() or (None, "")
    if message is None or message.recalled_at is not None:
        return False
    if caller.role is Role.SUPERVISOR and kind in rules.SUPERVISED:
        return True
    member = await uow.session.get(ParticipantRow, (message.room_id, caller.user_id))
    return member is not None and member.role == caller.role and member.left_at is None


register_viewer(SCOPE, may_see_file)
