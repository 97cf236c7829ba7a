"""The port to recognisers of speech, and the engine that runs on this machine's processor."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from core.config import Config
from core.outside import OutsideClient, OutsideError, OutsideGarbled, OutsideRefused
from media.recording.process import ChildFailed, run_child
from media.speech.rules import Segment

OnProgress = Callable[[float], Awaitable[None]]


class RecognitionFailed(Exception):
    """The speech could not be recognised; the message says why, for operators."""


class Recogniser(Protocol):
    """Turns sound into text."""

    #: What is noted beside the text.
    name: str

    async def recognise(self, source: Path, work: Path, hear: OnProgress) -> list[Segment]:
        """The text of a file with sound. `work` is an empty folder for what is needed meanwhile,
        `hear` gets fractions from 0 to 1. Raises RecognitionFailed.
        """


async def _in_a_child(order: dict[str, Any], work: Path, hear: OnProgress) -> dict[str, Any]:
    """Run `media.speech.recognition` at low priority. Raises RecognitionFailed."""
    paper = work / "order.json"
    await asyncio.to_thread(paper.write_bytes, orjson.dumps(order))
    try:
        answer = await run_child("media.speech.recognition", paper, hear)
    except ChildFailed as error:
        raise RecognitionFailed(str(error)) from error
    found: dict[str, Any] = answer["result"]
    return found


@dataclass(frozen=True)
class LocalRecogniser:
    """An engine on this machine's processor, in a process of its own (see `engines.py`)."""

    name: str
    model: Path | None = None

    async def recognise(self, source: Path, work: Path, hear: OnProgress) -> list[Segment]:
        model = str(self.model) if self.model is not None else None
        order = {"source": str(source), "engine": self.name, "model": model}
        answer = await _in_a_child(order, work, hear)
        return [Segment(**each) for each in answer["segments"]]


_SYSTEM = "tencent_speech"
_VERSION = "2019-06-14"
_SERVICE = "asr"


class TencentRecogniser:
    """Recognition of recorded files by Tencent Cloud: `CreateRecTask`, `DescribeTaskStatus`.

    The protocol of API 3.0: JSON by POST, signed with TC3-HMAC-SHA256. A task takes at most 5 MB
    of sound in its body, so the file goes in pieces.
    """

    name = "tencent"

    def __init__(
        self,
        url: str,
        secret_id: str,
        secret_key: str,
        now: Callable[[], datetime],
        *,
        engine_model: str = "16k_zh",
        poll_seconds: float = 2.0,
        most_polls: int = 300,
    ) -> None:
        self._client = OutsideClient(_SYSTEM, url, timeout=60.0)
        self._host = urlsplit(url).netloc
        self._secret_id, self._secret_key, self._now = secret_id, secret_key, now
        self._engine_model = engine_model
        self._poll_seconds, self._most_polls = poll_seconds, most_polls

    async def aclose(self) -> None:
        await self._client.aclose()

    async def recognise(self, source: Path, work: Path, hear: OnProgress) -> list[Segment]:
        order = {"source": str(source), "pieces": str(work)}
        answer = await _in_a_child(order, work, _nothing)
        found: list[Segment] = []
        for index, piece in enumerate(answer["pieces"]):
            data = await asyncio.to_thread(Path(piece["path"]).read_bytes)
            try:
                found += await self._piece(data, piece["from_ms"])
            except OutsideError as error:
                raise RecognitionFailed(str(error)) from error
            await hear((index + 1) / len(answer["pieces"]))
        return found

    async def _piece(self, data: bytes, from_ms: int) -> list[Segment]:
        created = await self._call(
            "CreateRecTask",
            {
                "EngineModelType": self._engine_model,
                "ChannelNum": 1,
                "ResTextFormat": 3,
                "SourceType": 1,
                "Data": base64.b64encode(data).decode(),
                "DataLen": len(data),
            },
        )
        task = created["Data"]["TaskId"]
        for _ in range(self._most_polls):
            status = (await self._call("DescribeTaskStatus", {"TaskId": task}))["Data"]
            if status["StatusStr"] == "success":
                return _segments(status.get("ResultDetail") or [], from_ms)
            if status["StatusStr"] == "failed":
                raise OutsideRefused(_SYSTEM, 200, "failed", str(status.get("ErrorMsg")))
            await asyncio.sleep(self._poll_seconds)
        raise RecognitionFailed("the task did not end in time")

    async def _call(self, action: str, content: dict[str, Any]) -> dict[str, Any]:
        body = orjson.dumps(content)
        reply = await self._client.call("POST", "/", headers=self._sign(action, body), body=body)
        answer = reply.json(_SYSTEM).get("Response")
        if not isinstance(answer, dict):
            raise OutsideGarbled(_SYSTEM, "no Response")
        if (error := answer.get("Error")) is not None:
            raise OutsideRefused(
                _SYSTEM, reply.status, str(error.get("Code")), str(error.get("Message"))
            )
        if not isinstance(answer.get("Data"), dict):
            raise OutsideGarbled(_SYSTEM, "no Data")
        return answer

    def _sign(self, action: str, body: bytes) -> dict[str, str]:
        stamp = int(self._now().timestamp())
        signature = tc3_signature(self._secret_key, self._host, body, stamp)
        day = datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%d")
        return {
            "Content-Type": _CONTENT_TYPE,
            "Host": self._host,
            "X-TC-Action": action,
            "X-TC-Version": _VERSION,
            "X-TC-Timestamp": str(stamp),
            "Authorization": (
                f"TC3-HMAC-SHA256 Credential={self._secret_id}/{day}/{_SERVICE}/tc3_request, "
                f"SignedHeaders=content-type;host, Signature={signature}"
            ),
        }


_CONTENT_TYPE = "application/json; charset=utf-8"


def tc3_signature(secret_key: str, host: str, body: bytes, stamp: int) -> str:
    """The signature of a POST of JSON to `/` at a moment (seconds), in hexadecimal.

    Source: Tencent Cloud, "Signature v3" of API 3.0.
    """
    request = "\n".join(
        (
            "POST",
            "/",
            "",
            f"content-type:{_CONTENT_TYPE}\nhost:{host}\n",
            "content-type;host",
            hashlib.sha256(body).hexdigest(),
        )
    )
    day = datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%d")
    scope = f"{day}/{_SERVICE}/tc3_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"TC3-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    key = f"TC3{secret_key}".encode()
    for part in (day, _SERVICE, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _segments(sentences: list[dict[str, Any]], from_ms: int) -> list[Segment]:
    try:
        return [
            Segment(
                from_ms=from_ms + int(each["StartMs"]),
                to_ms=from_ms + int(each["EndMs"]),
                text=str(each["FinalSentence"]),
            )
            for each in sentences
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise OutsideGarbled(_SYSTEM, "a sentence lacks its text or time") from error


async def _nothing(_: float) -> None:
    return None


def recogniser_of(
    config: Config, now: Callable[[], datetime]
) -> LocalRecogniser | TencentRecogniser | None:
    """What the configuration turns speech into text with; None where nothing does."""
    if config.speech_engine == "off":
        return None
    if config.speech_engine != "tencent":
        return LocalRecogniser(config.speech_engine, config.speech_model)
    key = config.speech_secret_key
    return TencentRecogniser(
        config.speech_url,
        config.speech_secret_id or "",
        key.get_secret_value() if key is not None else "",
        now,
    )
