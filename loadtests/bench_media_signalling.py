"""How the callers of `make bench-media` get into a call: our control protocol, Janus' VideoRoom,
and a server on aiortc. Only this differs between the servers; media is the same for all."""

from __future__ import annotations

import asyncio
import re
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import aiohttp

from loadtests.bench_media_caller import (
    AUDIO_TYPE,
    RTX_TYPE,
    VIDEO_TYPE,
    Connection,
    Remote,
    Traffic,
)
from loadtests.bench_media_clip import clip
from loadtests.bench_media_world import HOST, SECRET, Server
from media.control import MediaWorkers, WorkerLink
from media.recording.sealing import Seal
from media.sfu.extensions import SEND_TIME, SEND_TIME_ID
from media.sfu.ice import Credentials

_PATIENCE = 30.0
_TRIES, _PAUSE = 20, 0.1


@dataclass
class Participant:
    """Somebody in a room; what he sends and what he receives may be two connections."""

    room: str
    name: str
    sends: Connection | None
    receives: Connection | None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def connections(self) -> list[Connection]:
        found = [self.sends, self.receives if self.receives is not self.sends else None]
        return [each for each in found if each is not None]


class Controlled(Protocol):
    """A server, as far as its signalling is concerned: the port of its control channel."""

    control: int


#: Not at all; the journal alone, written and synced; and sealed and stored every ten seconds.
Recorded = Literal["no", "journal", "stored"]


class Signalling(Protocol):
    """Gets callers into rooms of one server."""

    async def open(self) -> None: ...

    async def room(self, name: str, size: int, *, record: Recorded = "no") -> None:
        """Make a room for so many publishers."""

    async def join(self, room: str, name: str, *, publish: bool = True) -> Participant:
        """Join, and be connected if that is all it takes to receive; see ``subscribe``."""

    async def subscribe(self, participant: Participant) -> None:
        """Receive everybody who publishes in the room by now, where that is an act of its own."""

    async def leave(self, participant: Participant) -> None: ...

    async def end_room(self, name: str) -> None: ...

    async def close(self) -> None: ...


def signalling(server: Server, kind: str, traffic: Traffic, host: str = HOST) -> Signalling:
    """The signalling of a kind of server."""
    if kind.startswith("zhenjian"):
        return Ours(server, traffic, host)
    if kind == "relay":
        return Relay(server, traffic, host)
    return Janus(server, traffic, host)


def remote_of(sdp: str) -> Remote:
    """What a description says of the transport (of its first line: all are bundled)."""

    def find(pattern: str) -> re.Match[str]:
        found = re.search(pattern, sdp)
        if found is None:
            raise ConnectionError(f"The description lacks {pattern}.")
        return found

    candidate = find(r"a=candidate:\S+ 1 (?i:udp) \d+ ([\d.]+) (\d+) typ host")
    fingerprint = find(r"a=fingerprint:(\S+) ([0-9A-Fa-f:]+)")
    return Remote(
        (candidate[1], int(candidate[2])),
        Credentials(find(r"a=ice-ufrag:(\S+)")[1], find(r"a=ice-pwd:(\S+)")[1]),
        ((fingerprint[1].lower(), fingerprint[2]),),
    )


def describe(
    connection: Connection, lines: list[tuple[str, str, str]], setup: str, *, rejected: int = 0
) -> str:
    """SDP of a caller. ``lines`` are kind, mid and direction."""
    fingerprint = connection.traffic.certificate.fingerprint
    host, port = connection.address
    rows = [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(mid for _, mid, _ in lines),
    ]
    for kind, mid, direction in lines:
        video = kind == "video"
        types = f"{VIDEO_TYPE} {RTX_TYPE}" if video else f"{AUDIO_TYPE}"
        rows += [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {types}",
            f"c=IN IP4 {host}",
            f"a=mid:{mid}",
            f"a={direction}",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            f"a=ice-ufrag:{connection.credentials.ufrag}",
            f"a=ice-pwd:{connection.credentials.password}",
            f"a=fingerprint:{fingerprint}",
            f"a=setup:{setup}",
            f"a=extmap:{SEND_TIME_ID} {SEND_TIME}",
            f"a=candidate:1 1 udp 2113937151 {host} {port} typ host",
            "a=end-of-candidates",
        ]
        if video:
            rows += [
                f"a=rtpmap:{VIDEO_TYPE} VP8/90000",
                f"a=rtpmap:{RTX_TYPE} rtx/90000",
                f"a=fmtp:{RTX_TYPE} apt={VIDEO_TYPE}",
                *(
                    f"a=rtcp-fb:{VIDEO_TYPE} {feedback}"
                    for feedback in ("nack", "nack pli", "ccm fir", "goog-remb")
                ),
            ]
        else:
            rows += [f"a=rtpmap:{AUDIO_TYPE} opus/48000/2", f"a=fmtp:{AUDIO_TYPE} useinbandfec=1"]
        if direction in ("sendonly", "sendrecv"):
            rows += _sources(connection, video=video)
    return "\r\n".join(rows) + "\r\n"


def _sources(connection: Connection, *, video: bool) -> list[str]:
    name = f"a=msid:bench {'video' if video else 'audio'}"
    if not video:
        return [name, f"a=ssrc:{connection.audio_ssrc} cname:bench"]
    media, rtx = connection.video_ssrc, connection.rtx_ssrc
    return [
        name,
        f"a=ssrc-group:FID {media} {rtx}",
        f"a=ssrc:{media} cname:bench",
        f"a=ssrc:{rtx} cname:bench",
    ]


class Ours:
    """The control protocol of our media worker."""

    def __init__(
        self, server: Controlled, traffic: Traffic, host: str = HOST, secret: str = SECRET
    ) -> None:
        self._traffic = traffic
        self._host = host
        self._here: dict[str, Participant] = {}
        self._workers = MediaWorkers(
            [f"ws://127.0.0.1:{server.control}/control"],
            secret,
            self._heard,
            self._nothing,
            self._nothing,
        )
        self.offers = 0

    @property
    def _link(self) -> WorkerLink:
        return self._workers.links[0]

    async def open(self) -> None:
        await self._workers.start()
        async with asyncio.timeout(_PATIENCE):
            await self._link.wait_up()

    async def room(self, name: str, size: int, *, record: Recorded = "no") -> None:
        # Without its key nothing of a recording is sealed nor stored.
        seal = Seal(key="bench", secret="5a" * 32) if record == "stored" else None
        await self._link.open_call(name, name, record=record != "no", seal=seal)

    async def join(self, room: str, name: str, *, publish: bool = True) -> Participant:
        connection = Connection(self._traffic, self._host, name=name)
        session = uuid.uuid4().hex
        someone = Participant(room, name, connection if publish else None, connection)
        someone.details["session"] = session
        self._here[session] = someone
        offer = await self._link.add_peer(
            room, peer=name, session=session, user=name, publish=publish
        )
        await self._answer(someone, offer.version, offer.sdp)
        await connection.connect(remote_of(offer.sdp))
        return someone

    async def subscribe(self, participant: Participant) -> None:
        """Who joins receives everybody."""

    async def leave(self, participant: Participant) -> None:
        self._here.pop(participant.details["session"], None)
        await self._link.remove_peer(participant.room, participant.name, "closed")
        for connection in participant.connections:
            await connection.close()

    async def end_room(self, name: str) -> None:
        await self._link.close_call(name, "closed")
        gone = [each for each in self._here.values() if each.room == name]
        for someone in gone:
            del self._here[someone.details["session"]]
            for connection in someone.connections:
                await connection.close()

    async def close(self) -> None:
        await self._workers.close()

    async def _heard(self, _: WorkerLink, event: dict[str, Any]) -> None:
        someone = self._here.get(event.get("session", ""))
        if event["event"] == "offer" and someone is not None:
            self.offers += 1
            await self._answer(someone, event["version"], event["sdp"])

    async def _answer(self, someone: Participant, version: int, sdp: str) -> None:
        assert someone.receives is not None
        lines = []
        turned = {"sendonly": "recvonly", "recvonly": "sendonly"}
        for block in sdp.split("m=")[1:]:
            mid = re.search(r"a=mid:(\S+)", block)
            direction = re.search(r"a=(sendonly|recvonly|inactive)\r", block)
            assert mid is not None
            assert direction is not None
            lines.append((block.split()[0], mid[1], turned.get(direction[1], "inactive")))
        answer = describe(someone.receives, lines, "active")
        await self._link.answer(
            someone.room, someone.name, someone.details["session"], version, answer
        )

    async def _nothing(self, _: WorkerLink) -> None:
        return


class Janus:
    """The VideoRoom of Janus over one WebSocket: one handle publishes, another one subscribes."""

    def __init__(self, server: Server, traffic: Traffic, host: str = HOST) -> None:
        self._url = f"ws://127.0.0.1:{server.control}/"
        self._traffic = traffic
        self._host = host
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._session = 0
        self._manager = 0
        self._rooms: dict[str, int] = {}
        self._feeds: dict[int, dict[int, Participant]] = {}
        self._here: dict[str, list[Participant]] = {}

    async def open(self) -> None:
        self._http = aiohttp.ClientSession(trust_env=False)
        self._socket = await self._http.ws_connect(self._url, protocols=["janus-protocol"])
        self._reader = asyncio.create_task(self._read())
        self._session = (await self._ask({"janus": "create"}))["data"]["id"]
        self._manager = await self._attach()

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
        if self._socket is not None:
            await self._socket.close()
        if self._http is not None:
            await self._http.close()

    async def room(self, name: str, size: int, *, record: Recorded = "no") -> None:
        number = self._rooms[name] = len(self._rooms) + 1
        self._feeds[number] = {}
        await self._say(
            self._manager,
            {
                "request": "create",
                "room": number,
                "publishers": size,
                "audiocodec": "opus",
                "videocodec": "vp8",
                "bitrate": 2_500_000,
                "notify_joining": False,
            },
        )

    async def join(self, room: str, name: str, *, publish: bool = True) -> Participant:
        someone = Participant(room, name, None, None)
        self._here.setdefault(room, []).append(someone)
        if publish:
            await self._publish(someone)
        return someone

    async def _publish(self, someone: Participant) -> None:
        number = self._rooms[someone.room]
        connection = someone.sends = Connection(self._traffic, self._host, name=someone.name)
        handle = someone.details["publisher"] = await self._attach()
        lines = [("audio", "0", "sendonly"), ("video", "1", "sendonly")]
        offer = {"type": "offer", "sdp": describe(connection, lines, "active")}
        answer = await self._say(
            handle,
            {"request": "joinandconfigure", "ptype": "publisher", "room": number},
            offer,
        )
        someone.details["feed"] = answer["plugindata"]["data"]["id"]
        await connection.connect(remote_of(answer["jsep"]["sdp"]))
        self._feeds[number][someone.details["feed"]] = someone

    async def subscribe(self, participant: Participant) -> None:
        number = self._rooms[participant.room]
        feeds = [
            {"feed": feed}
            for feed, other in self._feeds[number].items()
            if other is not participant
        ]
        if participant.receives is not None or not feeds:
            return
        connection = participant.receives = Connection(
            self._traffic, self._host, name=participant.name
        )
        handle = participant.details["subscriber"] = await self._attach()
        offer = await self._join_feeds(
            handle,
            {"request": "join", "ptype": "subscriber", "room": number, "streams": feeds},
        )
        sdp = offer["jsep"]["sdp"]
        lines = []
        for block in sdp.split("m=")[1:]:
            mid = re.search(r"a=mid:(\S+)", block)
            assert mid is not None
            lines.append((block.split()[0], mid[1], "recvonly"))
        answer = {
            "type": "answer",
            "sdp": _with_types_of(sdp, describe(connection, lines, "active")),
        }
        await self._say(handle, {"request": "start"}, answer)
        await connection.connect(remote_of(sdp))

    async def leave(self, participant: Participant) -> None:
        number = self._rooms[participant.room]
        self._feeds[number].pop(participant.details.get("feed", 0), None)
        self._here[participant.room].remove(participant)
        for connection in participant.connections:
            await connection.close()
        for name in ("subscriber", "publisher"):
            if name in participant.details:
                await self._ask(
                    {"janus": "detach", "handle_id": participant.details[name]}, session=True
                )

    async def end_room(self, name: str) -> None:
        for someone in list(self._here.pop(name, [])):
            self._here.setdefault(name, []).append(someone)
            await self.leave(someone)
        await self._say(self._manager, {"request": "destroy", "room": self._rooms[name]})

    async def _join_feeds(self, handle: int, body: dict[str, Any]) -> dict[str, Any]:
        """Ask until Janus knows the feeds: it does a moment after their connection stands."""
        for _ in range(_TRIES):
            try:
                return await self._say(handle, body)
            except RuntimeError as error:
                if "No such feed" not in str(error):
                    raise
            await asyncio.sleep(_PAUSE)
        return await self._say(handle, body)

    async def _attach(self) -> int:
        asked = {"janus": "attach", "plugin": "janus.plugin.videoroom"}
        handle: int = (await self._ask(asked, session=True))["data"]["id"]
        return handle

    async def _say(
        self, handle: int, body: dict[str, Any], jsep: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        frame = {"janus": "message", "handle_id": handle, "body": body}
        answer = await self._ask(frame | ({"jsep": jsep} if jsep else {}), session=True)
        told = answer.get("plugindata", {}).get("data", {})
        if "error" in told:
            raise RuntimeError(f"Janus: {told['error']}")
        return answer

    async def _ask(self, frame: dict[str, Any], *, session: bool = False) -> dict[str, Any]:
        assert self._socket is not None
        key = uuid.uuid4().hex
        future = self._waiting[key] = asyncio.get_running_loop().create_future()
        whole = frame | {"transaction": key} | ({"session_id": self._session} if session else {})
        await self._socket.send_json(whole)
        async with asyncio.timeout(_PATIENCE):
            answer: dict[str, Any] = await future
        if answer["janus"] == "error":
            raise RuntimeError(f"Janus: {answer['error']}")
        return answer

    async def _read(self) -> None:
        assert self._socket is not None
        async for message in self._socket:
            frame = message.json()
            if frame["janus"] == "ack":
                continue
            future = self._waiting.pop(frame.get("transaction", ""), None)
            if future is not None and not future.done():
                future.set_result(frame)


class Relay:
    """The server on aiortc: it takes both who talk in one request."""

    def __init__(self, server: Server, traffic: Traffic, host: str = HOST) -> None:
        self._url = f"http://127.0.0.1:{server.control}/room"
        self._traffic = traffic
        self._host = host
        self._here: dict[str, list[Participant]] = {}

    async def open(self) -> None:
        """Each request is for itself."""

    async def close(self) -> None:
        """See ``open``."""

    async def room(self, name: str, size: int, *, record: Recorded = "no") -> None:
        self._here[name] = []

    async def join(self, room: str, name: str, *, publish: bool = True) -> Participant:
        connection = Connection(self._traffic, self._host, name=name)
        connection.clip = clip()
        someone = Participant(room, name, connection, connection)
        here = self._here[room]
        here.append(someone)
        if len(here) == 2:
            await self._connect(here)
        return someone

    async def _connect(self, here: list[Participant]) -> None:
        lines = [("audio", "0", "sendrecv"), ("video", "1", "sendrecv")]
        offers = [describe(each.connections[0], lines, "active") for each in here]
        async with (
            aiohttp.ClientSession(trust_env=False) as http,
            http.post(self._url, json={"offers": offers}) as answer,
        ):
            answers = (await answer.json())["answers"]
        await asyncio.gather(
            *(
                each.connections[0].connect(remote_of(sdp))
                for each, sdp in zip(here, answers, strict=True)
            )
        )

    async def subscribe(self, participant: Participant) -> None:
        """Both receive each other from the beginning."""

    async def leave(self, participant: Participant) -> None:
        for connection in participant.connections:
            await connection.close()

    async def end_room(self, name: str) -> None:
        for someone in self._here.pop(name):
            await self.leave(someone)


def _with_types_of(offer: str, answer: str) -> str:
    """The answer with the payload types of the offer, line by line."""
    blocks = answer.split("m=")
    for index, block in enumerate(offer.split("m=")[1:], start=1):
        video = block.startswith("video")
        media = re.search(r"a=rtpmap:(\d+) (?i:vp8)/" if video else r"a=rtpmap:(\d+) opus/", block)
        rtx = re.search(r"a=rtpmap:(\d+) rtx/", block)
        assert media is not None
        blocks[index] = _renamed(blocks[index], VIDEO_TYPE if video else AUDIO_TYPE, media[1])
        if rtx:
            blocks[index] = _renamed(blocks[index], RTX_TYPE, rtx[1])
    return "m=".join(blocks)


def _renamed(block: str, ours: int, theirs: str) -> str:
    return re.sub(rf"(?<=[ :=]){ours}(?=[ \r])", theirs, block)
