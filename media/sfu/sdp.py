"""SDP of the engine: writing offers, reading answers. Pure text in and out.

The server is the only offerer, so this is a writer for one known layout and a strict reader for
answers to it, never a general SDP library. Payload types are ours and the same on every line.

Header extensions: what a publisher may send names its layers and tells how loud its sound is;
viewers get abs-send-time or, when they can count, numbers over the whole transport. Left out on
purpose: ``mid`` (layer names, payload types and announced SSRCs tell the streams apart, and a
publisher's mid means nothing to a subscriber) and
``video-orientation`` (without it a phone turns the picture upright before it encodes, so that
viewers and recordings need not).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from media.errors import BadAnswer
from media.sfu import extensions
from media.sfu.ice import Credentials

Kind = Literal["audio", "video"]
Direction = Literal["sendonly", "recvonly", "sendrecv", "inactive"]

#: The sizes of a picture that publishers are asked for, smallest first.
RIDS: Final = ("q", "h", "f")

MAX_ANSWER_BYTES: Final = 128 * 1024
_DIRECTIONS: Final = ("sendonly", "recvonly", "sendrecv", "inactive")


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec of the offer; ``rtx`` is the payload type of its retransmissions, 0 for none."""

    name: str
    kind: Kind
    payload_type: int
    rtx: int
    clock_rate: int
    rtpmap: str
    fmtp: str = ""
    feedback: tuple[str, ...] = ()


_VIDEO_FEEDBACK = ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")

CODECS: Final = (
    Codec(
        "opus",
        "audio",
        111,
        0,
        48000,
        "opus/48000/2",
        "minptime=10;useinbandfec=1",
        ("transport-cc",),
    ),
    Codec("vp8", "video", 96, 97, 90000, "VP8/90000", feedback=_VIDEO_FEEDBACK),
    Codec(
        "h264",
        "video",
        102,
        103,
        90000,
        "H264/90000",
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        _VIDEO_FEEDBACK,
    ),
    Codec("vp9", "video", 98, 99, 90000, "VP9/90000", "profile-id=0", _VIDEO_FEEDBACK),
    Codec("av1", "video", 45, 46, 90000, "AV1/90000", "profile=0", _VIDEO_FEEDBACK),
)
BY_NAME: Final = {codec.name: codec for codec in CODECS}
#: What every browser encodes and decodes; more is offered where a hospital turns it on.
USUAL: Final = ("opus", "vp8", "h264")
BY_PAYLOAD: Final = {codec.payload_type: codec for codec in CODECS}
BY_RTX: Final = {codec.rtx: codec for codec in CODECS if codec.rtx}


@dataclass(frozen=True, slots=True)
class Line:
    """One m-line of an offer. ``ssrc``, ``rtx_ssrc``, ``stream`` matter for ``sendonly`` only,
    ``layers`` (the client may send several sizes) for ``recvonly``.
    """

    mid: str
    kind: Kind
    direction: Direction
    ssrc: int = 0
    rtx_ssrc: int = 0
    stream: str = ""
    track: str = ""
    cname: str = ""
    layers: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """What an offer says; ``addresses`` and ``port`` are where clients reach the worker, ``codecs``
    are named in the order in which they are preferred.
    """

    number: int
    version: int
    credentials: Credentials
    fingerprint: str
    addresses: Sequence[str]
    port: int
    lines: Sequence[Line]
    codecs: Sequence[str] = USUAL


def write_offer(offer: Offer) -> str:
    """The SDP of an offer; ``fingerprint`` is ``"sha-256 AB:CD:…"``."""
    mids = " ".join(line.mid for line in offer.lines)
    rows = [
        "v=0",
        f"o=- {offer.number} {offer.version} IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {mids}",
        "a=msid-semantic: WMS *",
    ]
    for line in offer.lines:
        rows += _line(offer, line)
    return "\r\n".join(rows) + "\r\n"


def _line(offer: Offer, line: Line) -> list[str]:
    codecs = [BY_NAME[name] for name in offer.codecs if BY_NAME[name].kind == line.kind]
    numbers: list[str] = []
    for codec in codecs:
        numbers.append(str(codec.payload_type))
        if codec.rtx:
            numbers.append(str(codec.rtx))
    address = offer.addresses[0]
    family = "IP6" if ":" in address else "IP4"
    rows = [
        f"m={line.kind} {offer.port} UDP/TLS/RTP/SAVPF {' '.join(numbers)}",
        f"c=IN {family} {address}",
        f"a=mid:{line.mid}",
        f"a={line.direction}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=ice-ufrag:{offer.credentials.ufrag}",
        f"a=ice-pwd:{offer.credentials.password}",
        f"a=fingerprint:{offer.fingerprint}",
        "a=setup:actpass",
    ]
    rows += [f"a=extmap:{number} {uri}" for number, uri in _extensions(line)]
    for codec in codecs:
        rows += _codec(codec)
    if line.direction == "sendonly":
        rows += _source(line)
    if line.layers:
        rows += [f"a=rid:{rid} recv" for rid in RIDS]
        rows.append(f"a=simulcast:recv {';'.join(RIDS)}")
    for index, candidate in enumerate(offer.addresses):
        priority = (126 << 24) | ((65535 - index) << 8) | 255
        rows.append(f"a=candidate:{index + 1} 1 udp {priority} {candidate} {offer.port} typ host")
    rows.append("a=end-of-candidates")
    return rows


def _extensions(line: Line) -> list[tuple[int, str]]:
    transport = (extensions.TRANSPORT_ID, extensions.TRANSPORT)
    if line.direction != "recvonly":
        return [(extensions.SEND_TIME_ID, extensions.SEND_TIME), transport]
    if line.kind == "audio":
        return [transport, (extensions.LEVEL_ID, extensions.LEVEL)]
    if not line.layers:
        return [transport]
    return [
        transport,
        (extensions.STREAM_ID, extensions.STREAM),
        (extensions.REPAIRED_ID, extensions.REPAIRED),
    ]


def _codec(codec: Codec) -> list[str]:
    number = codec.payload_type
    rows = [f"a=rtpmap:{number} {codec.rtpmap}"]
    rows += [f"a=rtcp-fb:{number} {feedback}" for feedback in codec.feedback]
    if codec.fmtp:
        rows.append(f"a=fmtp:{number} {codec.fmtp}")
    if codec.rtx:
        rows.append(f"a=rtpmap:{codec.rtx} rtx/{codec.clock_rate}")
        rows.append(f"a=fmtp:{codec.rtx} apt={number}")
    return rows


def _source(line: Line) -> list[str]:
    rows = [f"a=msid:{line.stream} {line.track}"]
    sources = [line.ssrc]
    if line.rtx_ssrc:
        sources.append(line.rtx_ssrc)
        rows.append(f"a=ssrc-group:FID {line.ssrc} {line.rtx_ssrc}")
    for ssrc in sources:
        rows.append(f"a=ssrc:{ssrc} cname:{line.cname}")
        rows.append(f"a=ssrc:{ssrc} msid:{line.stream} {line.track}")
    return rows


@dataclass(slots=True)
class AnswerLine:
    """One m-line of an answer.

    ``payloads`` maps our codec names to the answerer's payload type, ``rtx`` maps that payload
    type to its retransmission's. ``rids`` are the layers that it sends, smallest first;
    ``transport_feedback`` says that its packets are numbered over the whole transport.
    """

    kind: str
    rejected: bool
    mid: str = ""
    direction: Direction = "sendrecv"
    setup: str = ""
    ufrag: str = ""
    password: str = ""
    fingerprints: list[tuple[str, str]] = field(default_factory=list)
    payloads: dict[str, int] = field(default_factory=dict)
    rtx: dict[int, int] = field(default_factory=dict)
    ssrcs: list[int] = field(default_factory=list)
    pairs: dict[int, int] = field(default_factory=dict)
    rids: list[str] = field(default_factory=list)
    transport_feedback: bool = False

    @property
    def sends(self) -> bool:
        return not self.rejected and self.direction in ("sendonly", "sendrecv")

    @property
    def receives(self) -> bool:
        return not self.rejected and self.direction in ("recvonly", "sendrecv")

    @property
    def ssrc(self) -> int:
        """The announced media SSRC, 0 when none was announced."""
        if self.pairs:
            return next(iter(self.pairs))
        return self.ssrcs[0] if self.ssrcs else 0

    @property
    def rtx_ssrc(self) -> int:
        return self.pairs.get(self.ssrc, 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """A read answer; ``lines`` in order."""

    credentials: Credentials
    fingerprints: tuple[tuple[str, str], ...]
    lines: tuple[AnswerLine, ...]


def read_answer(text: str, mids: Sequence[str]) -> Answer:
    """Read an answer to an offer with these mids; raises BadAnswer naming what is wrong."""
    if len(text.encode("utf-8", "replace")) > MAX_ANSWER_BYTES:
        raise BadAnswer("the answer is too large")
    session, lines = _split(text)
    if len(lines) != len(mids):
        raise BadAnswer(f"the answer has {len(lines)} media lines instead of {len(mids)}")
    read = []
    for mid, rows in zip(mids, lines, strict=True):
        line = _read_line(rows)
        if line.mid != mid:
            raise BadAnswer(f"media line {mid} is answered as {line.mid or 'nothing'}")
        read.append(line)
    general = AnswerLine("session", rejected=False)
    for row in session:
        _read_row(general, row)
    return _transport(general, tuple(read))


def _split(text: str) -> tuple[list[str], list[list[str]]]:
    session: list[str] = []
    lines: list[list[str]] = []
    for row in text.splitlines():
        if row.startswith("m="):
            lines.append([])
        (lines[-1] if lines else session).append(row)
    if not session or session[0] != "v=0":
        raise BadAnswer("the answer is no SDP")
    return session, lines


def _transport(general: AnswerLine, lines: tuple[AnswerLine, ...]) -> Answer:
    """The one transport of the bundle: of the first accepted line, else of the session."""
    first = next((line for line in lines if not line.rejected), None)
    if first is None:
        raise BadAnswer("every media line is rejected")
    fingerprints = first.fingerprints or general.fingerprints
    credentials = Credentials(first.ufrag or general.ufrag, first.password or general.password)
    if not fingerprints:
        raise BadAnswer("the answer has no fingerprint")
    if not credentials.ufrag or not credentials.password:
        raise BadAnswer("the answer has no ICE credentials")
    if (first.setup or general.setup) != "active":
        raise BadAnswer("the answer has to take the active DTLS role")
    return Answer(credentials, tuple(fingerprints), lines)


def _read_line(rows: list[str]) -> AnswerLine:
    words = rows[0][2:].split()
    if len(words) < 4 or not words[1].isdecimal():
        raise BadAnswer("a media line is malformed")
    line = AnswerLine(words[0], rejected=words[1] == "0")
    formats: dict[int, str] = {}
    parameters: dict[int, str] = {}
    for row in rows[1:]:
        if row.startswith("a=rtpmap:"):
            number, value = _numbered(row[9:])
            formats[number] = value.lower()
        elif row.startswith("a=fmtp:"):
            number, value = _numbered(row[7:])
            parameters[number] = value.replace(" ", "")
        else:
            _read_row(line, row)
    _read_codecs(line, formats, parameters)
    return line


def _read_codecs(line: AnswerLine, formats: dict[int, str], parameters: dict[int, str]) -> None:
    for number, value in formats.items():
        name, _, rate = value.partition("/")
        if name == "rtx":
            original = parameters.get(number, "").partition("apt=")[2].partition(";")[0]
            if original.isdecimal():
                line.rtx[int(original)] = number
            continue
        if name == "h264" and "packetization-mode=1" not in parameters.get(number, ""):
            continue
        for codec in CODECS:
            if codec.name == name and rate.startswith(str(codec.clock_rate)):
                line.payloads.setdefault(name, number)


def _read_row(line: AnswerLine, row: str) -> None:
    name, _, value = row[2:].partition(":") if row.startswith("a=") else ("", "", "")
    value = value.strip()
    if name in _DIRECTIONS:
        line.direction = name  # type: ignore[assignment]
    elif name == "mid":
        line.mid = value
    elif name == "setup":
        line.setup = value
    elif name == "ice-ufrag":
        line.ufrag = value
    elif name == "ice-pwd":
        line.password = value
    elif name == "fingerprint":
        algorithm, _, digest = value.partition(" ")
        line.fingerprints.append((algorithm.lower(), digest.strip().upper()))
    elif name == "ssrc":
        ssrc = _ssrc(value.partition(" ")[0])
        if ssrc not in line.ssrcs and len(line.ssrcs) < 16:
            line.ssrcs.append(ssrc)
    elif name == "ssrc-group" and value.startswith("FID "):
        words = value.split()
        if len(words) == 3 and len(line.pairs) < 8:
            line.pairs[_ssrc(words[1])] = _ssrc(words[2])
    elif name == "extmap":
        number, _, uri = value.partition(" ")
        known = number.partition("/")[0] == str(extensions.TRANSPORT_ID)
        line.transport_feedback |= known and uri.split(" ")[0] == extensions.TRANSPORT
    elif name == "simulcast" and value.startswith("send "):
        named = {rid.lstrip("~") for rid in value.split()[1].split(";")}
        line.rids = [rid for rid in RIDS if rid in named]


def _numbered(value: str) -> tuple[int, str]:
    number, _, rest = value.partition(" ")
    if not (number.isascii() and number.isdecimal() and int(number) <= 127):
        raise BadAnswer("a payload type is malformed")
    return int(number), rest.strip()


def _ssrc(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 10 and int(value) < 2**32):
        raise BadAnswer("an SSRC is malformed")
    return int(value)
