"""A signer's desk: handwriting, PIN, shown documents, signatures, in verbs of one line each."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from PIL import Image, ImageDraw

from core.files.models import Purpose
from core.files.upload import take_in_local
from core.identity import sessions
from core.identity.access import id_number_key
from core.identity.models import DeviceSession, User
from core.runtime import Runtime
from tests.support.cast import Person
from tests.support.http import Client, Response
from tests.support.people import id_number

PIN = "2580"


def handwriting(*, size: tuple[int, int] = (800, 320), paper: bool = False) -> bytes:
    """A picture of some strokes in the middle of nothing, or of white paper."""
    ground = (255, 255, 255, 255) if paper else (0, 0, 0, 0)
    picture = Image.new("RGBA", size, ground)
    draw = ImageDraw.Draw(picture)
    left, top = size[0] // 4, size[1] // 4
    for step in range(3):
        x = left + step * size[0] // 8
        draw.line([(x, top), (x + 80, top * 2), (x + 20, top * 3)], fill=(10, 20, 60, 255), width=9)
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


@dataclass
class Desk:
    """Somebody who signs, with the phone and the console at hand."""

    runtime: Runtime
    client: Client
    folder: Path
    person: Person

    async def prove(self) -> None:
        """The name is proven and a second factor was shown in this login."""
        number = id_number(date(1980, 3, 15), serial=int(self.person.phone[-3:]))
        async with self.runtime.unit_of_work() as uow:
            user = await uow.session.get_one(User, self.person.user_id)
            user.real_name, user.id_number = self.person.name, number
            user.id_number_index = id_number_key(self.runtime.keyring, number)
            user.real_name_verified_at = uow.now
        await self.show_second_factor(self.runtime.clock.now())

    async def show_second_factor(self, at: datetime | None) -> None:
        """This login has shown a second factor at a moment, or never."""
        async with self.runtime.unit_of_work() as uow:
            session = await uow.session.get_one(DeviceSession, self.person.caller.session_id)
            session.second_factor_at = at
            sessions.announce_user_change(uow, self.person.user_id)

    async def upload(self, picture: bytes | None = None) -> UUID:
        """Upload handwriting; returns the file."""
        path = self.folder / "handwriting.png"
        path.write_bytes(picture or handwriting())
        file = await take_in_local(self.runtime, self.person.caller, path, Purpose.SIGNATURE)
        return file.id

    async def write_by_hand(self, picture: bytes | None = None) -> dict[str, Any]:
        file_id = await self.upload(picture)
        return (await self.ask("PUT", "/signing/me/image", {"file_id": str(file_id)})).expect(200)

    async def set_pin(self, pin: str = PIN, repeated: str | None = None) -> Response:
        body = {"pin": pin, "repeated": pin if repeated is None else repeated}
        return await self.ask("PUT", "/signing/me/pin", body)

    async def enrol(self) -> dict[str, Any]:
        """Everything that is needed before the first signature."""
        await self.prove()
        await self.write_by_hand()
        mine: dict[str, Any] = (await self.set_pin()).expect(200)
        assert mine["standing"] == "ready", mine
        return mine

    async def me(self) -> dict[str, Any]:
        mine: dict[str, Any] = (await self.ask("GET", "/signing/me")).expect(200)
        return mine

    async def tasks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.ask("GET", "/signing/tasks")).expect(200)
        return found

    async def look(self, document_id: str, kind: str = "closing_note") -> dict[str, Any]:
        """The document as the screen shows it before signing."""
        path = f"/signing/documents/{kind}/{document_id}"
        shown: dict[str, Any] = (await self.ask("GET", path)).expect(200)
        return shown

    async def confirm(self, shown: dict[str, Any] | None, pin: str = PIN) -> Response:
        """Type the PIN below a shown document, or (None) for a signing session."""
        body: dict[str, Any] = {"pin": pin}
        if shown is not None:
            body |= {key: shown[key] for key in ("document_type", "document_id", "digest")}
        return await self.ask("POST", "/signing/confirmations", body)

    async def put_under(self, shown: dict[str, Any], confirmed: dict[str, Any]) -> Response:
        """Send the signature for what was shown."""
        body = {key: shown[key] for key in ("document_type", "document_id", "digest")}
        body |= {"confirmation_id": confirmed["id"], "confirmation_token": confirmed["token"]}
        return await self.ask("POST", "/signing/signatures", body)

    async def sign(self, document_id: str, pin: str = PIN) -> dict[str, Any]:
        """Look, confirm, sign."""
        shown = await self.look(document_id)
        confirmed = (await self.confirm(shown, pin)).expect(201)
        mark: dict[str, Any] = (await self.put_under(shown, confirmed)).expect(201)
        return mark

    async def verify(self, signature_id: str, by: Person | None = None) -> dict[str, Any]:
        found: dict[str, Any] = (
            await self.client.get(
                f"/signing/signatures/{signature_id}", token=(by or self.person).token
            )
        ).expect(200)
        return found

    async def ask(self, method: str, path: str, body: Any = None) -> Response:
        return await self.client.request(method, path, token=self.person.token, json=body)


def answers(verification: dict[str, Any]) -> dict[str, str]:
    """The answer to each question of a verification."""
    return {each["name"]: each["answer"] for each in verification["findings"]}
