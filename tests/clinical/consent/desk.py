"""Two administrators at one desk: what one wants published, the other confirms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.clinical.story import Story
from tests.support.cast import Person
from tests.support.http import Response


@dataclass
class TextDesk:
    """The text editor of a hospital, with a person who writes and one who confirms."""

    story: Story
    first: Person
    second: Person

    @classmethod
    async def of(cls, story: Story) -> TextDesk:
        return cls(story, story.cast.administrator, await story.second_administrator())

    async def draft(self, **more: Any) -> dict[str, Any]:
        form = {"kind": "privacy", "version": "2.0", "title": "新版", "text": "新的内容", **more}
        answer = await self.story.ask(self.first, "POST", "/consent-texts", form)
        written: dict[str, Any] = answer.expect(201)
        return written

    async def propose(self, text_id: str) -> dict[str, Any]:
        """The proposal of a version that now waits."""
        path = f"/consent-texts/{text_id}/proposals"
        answer = (await self.story.ask(self.first, "POST", path)).expect(201)
        proposal: dict[str, Any] = answer["proposal"]
        return proposal

    async def decide(
        self, who: Person, proposal: dict[str, Any], verb: str, note: str = ""
    ) -> Response:
        path = f"/consent-text-proposals/{proposal['id']}/{verb}"
        return await self.story.ask(who, "POST", path, {"note": note})

    async def publish(self, text_id: str) -> dict[str, Any]:
        """One proposes, the other confirms; the version as it is then."""
        proposal = await self.propose(text_id)
        answer: dict[str, Any] = (await self.decide(self.second, proposal, "confirm")).expect(200)
        return answer

    async def shown(self, text_id: str, who: Person | None = None) -> dict[str, Any]:
        """A version as the list of somebody shows it."""
        listed = await self.story.get(who or self.first, "/consent-texts")
        found: dict[str, Any] = next(each for each in listed if each["id"] == text_id)
        return found
