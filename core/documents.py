"""Documents that are signed: what a module says of its own, and who may read it.

Whoever owns something that people sign or that the hospital seals (a closing note, a consent, a
recording) registers a `DocumentType` at import and announces `DocumentFinished` when one lies
ready. The signature module hears that event and reads through this table, so that neither knows
the other: `media` and `clinical` meet here as they do over the files of `core.files.access`.

What is signed is the canonical form of the content below, and the same content is what a person
sees before signing and what verification compares with later.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from core.crypto.sm import sm3
from core.events import Event, event

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork

FORMAT = "zhenjian-document-1"


@event("document.finished")
@dataclass(frozen=True, kw_only=True)
class DocumentFinished(Event):
    """Sent in the transaction in which a document comes to lie ready, and again for every later
    version of it. The aggregate is the document.

    `signer_id` names the person who has to sign it; None means that the hospital seals it.
    """

    document_type: str
    signer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a document: a stable name, its Chinese label, and the text as it is shown."""

    name: str
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Content:
    """A document at this moment.

    `fields` are what is signed, in the order in which they are read. `subject` says in a few words
    which document it is and is for lists only. `signer_id` is the person who signs it, None for
    the hospital. `ready` says whether it may be signed now.
    """

    hospital_id: UUID
    title: str
    subject: str
    fields: tuple[Field, ...]
    signer_id: UUID | None = None
    patient_id: UUID | None = None
    ready: bool = True


class Reader(Protocol):
    """Reads a document for the system; None when it is not there. `lock` takes its row lock."""

    async def __call__(
        self, uow: "UnitOfWork", document_id: UUID, *, lock: bool = False
    ) -> Content | None: ...


@dataclass(frozen=True)
class DocumentType:
    """One kind of document: its stable name, its Chinese label, how it is read and by whom."""

    name: str
    label: str
    read: Reader
    may_see: Callable[["UnitOfWork", "Caller", UUID], Awaitable[bool]]


_types: dict[str, DocumentType] = {}


def register_document(kind: DocumentType) -> None:
    """Make a kind of document known; called at import by the module that owns it."""
    known = _types.setdefault(kind.name, kind)
    if known.read.__module__ != kind.read.__module__:
        raise ValueError(f"The document type '{kind.name}' has an owner already.")


def document_type(name: str) -> DocumentType | None:
    """The kind with this name, or None."""
    return _types.get(name)


def document_types() -> list[DocumentType]:
    """Every kind, by name."""
    return [_types[name] for name in sorted(_types)]


def snapshot(kind: str, document_id: UUID, content: Content) -> dict[str, Any]:
    """What is signed of a document, as JSON-ready data that is kept beside the signature."""
    return {
        "format": FORMAT,
        "type": kind,
        "id": str(document_id),
        "hospital": str(content.hospital_id),
        "title": content.title,
        "fields": [[field.name, field.label, field.value] for field in content.fields],
    }


def canonical(taken: dict[str, Any]) -> bytes:
    """The one sequence of bytes of a snapshot: sorted keys, no spaces, UTF-8."""
    return json.dumps(taken, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(taken: dict[str, Any]) -> str:
    """The SM3 digest of a snapshot in hexadecimal: what is shown, quoted and signed."""
    return sm3(canonical(taken)).hex()
