"""The operations of the control protocol: checked requests in, plain replies out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from media.errors import BadRequest, RecordingUnavailable
from media.recording.sealing import Seal
from media.sfu.engine import Engine
from media.sfu.peer import PeerSpec
from media.takes import Takes

# Calls name folders and keys, users name streams in SDP: nothing but harmless characters.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
Reply = dict[str, Any]


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class CallOpen(_Request):
    call: Name
    room: Name
    record: bool = False
    seal: Seal | None = None


class CallSeal(_Request):
    call: Name
    seal: Seal


class CallClose(_Request):
    call: Name
    reason: str = Field("closed", max_length=64)


class PeerAdd(_Request):
    call: Name
    peer: Name
    session: Name
    user: Name
    audio: bool = True
    video: bool = True
    publish: bool = True
    hidden: bool = False
    screen: bool = False


class PeerAnswer(_Request):
    call: Name
    peer: Name
    session: Name
    version: int = Field(ge=1)
    sdp: str = Field(max_length=128 * 1024)


class PeerRestart(_Request):
    call: Name
    peer: Name
    session: Name


class PeerMedia(_Request):
    call: Name
    peer: Name
    audio: bool
    video: bool


class PeerScreen(_Request):
    call: Name
    peer: Name
    on: bool


class PeerView(_Request):
    call: Name
    peer: Name
    heights: dict[Name, Annotated[int, Field(ge=0, le=10_000)]] = Field(max_length=100)


class PeerRemove(_Request):
    call: Name
    peer: Name
    session: Name | None = None
    reason: str = Field("closed", max_length=64)


class Nothing(_Request):
    """An operation without parameters."""


class Operations:
    """Turns request frames into calls of the engine. ``status`` gives ``worker.status``."""

    def __init__(self, engine: Engine, takes: Takes, status: Callable[[], Reply]) -> None:
        self._engine = engine
        self._takes = takes
        self._table: dict[str, tuple[type[_Request], Callable[[Any], Reply]]] = {
            "call.open": (CallOpen, self._call_open),
            "call.close": (CallClose, self._call_close),
            "call.seal": (CallSeal, self._call_seal),
            "call.record.stop": (CallClose, self._call_record_stop),
            "call.list": (Nothing, self._call_list),
            "peer.add": (PeerAdd, self._peer_add),
            "peer.answer": (PeerAnswer, self._peer_answer),
            "peer.restart": (PeerRestart, self._peer_restart),
            "peer.media": (PeerMedia, self._peer_media),
            "peer.screen": (PeerScreen, self._peer_screen),
            "peer.view": (PeerView, self._peer_view),
            "peer.remove": (PeerRemove, self._peer_remove),
            "worker.status": (Nothing, lambda _: status()),
        }

    def read(self, data: str | bytes) -> dict[str, Any]:
        """The frame as an object; raises BadRequest."""
        try:
            frame = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise BadRequest("the frame is no JSON") from error
        if not isinstance(frame, dict):
            raise BadRequest("the frame is no object")
        return frame

    def run(self, frame: dict[str, Any]) -> Reply:
        """Do what a frame asks; raises MediaError."""
        entry = self._table.get(str(frame.get("op")))
        if entry is None:
            raise BadRequest("no such operation")
        model, run = entry
        try:
            request = model.model_validate(frame)
        except ValidationError as error:
            fields = sorted({str(item["loc"][0]) for item in error.errors() if item["loc"]})
            raise BadRequest(f"missing or wrong: {', '.join(fields)}") from error
        return run(request)

    def _call_open(self, request: CallOpen) -> Reply:
        self._engine.open_call(request.call, request.room)
        if request.record and not self._takes.is_open(request.call):
            try:
                journal = self._takes.open(request.call, request.seal)
            except OSError as error:
                # A call that may not be recorded must not run unnoticed: the controller decides.
                raise RecordingUnavailable(
                    f"the journal cannot be opened: {error.strerror}"
                ) from error
            self._engine.record(request.call, journal)
        return {"recording": self._takes.is_open(request.call)}

    def _call_close(self, request: CallClose) -> Reply:
        self._engine.close_call(request.call)
        self._takes.seal(request.call, request.reason)
        return {}

    def _call_seal(self, request: CallSeal) -> Reply:
        try:
            self._takes.give_key(request.call, request.seal)
        except OSError as error:
            raise BadRequest(f"the key cannot be kept: {error.strerror}") from error
        return {}

    def _call_record_stop(self, request: CallClose) -> Reply:
        self._engine.record_no_longer(request.call)
        self._takes.seal(request.call, request.reason)
        return {}

    def _call_list(self, _: Nothing) -> Reply:
        return {
            "list": [
                {
                    "call": call.call,
                    "room": call.room,
                    "recording": call.recorder is not None,
                    "peers": [
                        {
                            "peer": peer.spec.peer,
                            "session": peer.spec.session,
                            "connected": peer.dtls.connected,
                            "hidden": peer.spec.hidden,
                        }
                        for peer in call.peers.values()
                    ],
                }
                for call in self._engine.calls.values()
            ]
        }

    def _peer_add(self, request: PeerAdd) -> Reply:
        spec = PeerSpec(
            peer=request.peer,
            session=request.session,
            user=request.user,
            audio=request.audio,
            video=request.video,
            publish=request.publish,
            hidden=request.hidden,
            screen=request.screen,
        )
        version, sdp = self._engine.add_peer(request.call, spec)
        return {"version": version, "sdp": sdp}

    def _peer_answer(self, request: PeerAnswer) -> Reply:
        self._engine.answer(
            request.call, request.peer, request.session, request.version, request.sdp
        )
        return {}

    def _peer_restart(self, request: PeerRestart) -> Reply:
        version, sdp = self._engine.restart(request.call, request.peer, request.session)
        return {"version": version, "sdp": sdp}

    def _peer_media(self, request: PeerMedia) -> Reply:
        self._engine.set_media(request.call, request.peer, request.audio, request.video)
        return {}

    def _peer_screen(self, request: PeerScreen) -> Reply:
        self._engine.set_screen(request.call, request.peer, on=request.on)
        return {}

    def _peer_view(self, request: PeerView) -> Reply:
        self._engine.set_view(request.call, request.peer, request.heights)
        return {}

    def _peer_remove(self, request: PeerRemove) -> Reply:
        self._engine.remove_peer(request.call, request.peer, request.session)
        return {}
