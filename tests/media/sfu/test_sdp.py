from contextlib import suppress
from dataclasses import replace

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from media.errors import BadAnswer
from media.sfu import sdp
from media.sfu.ice import Credentials
from media.sfu.sdp import Line, Offer, read_answer, write_offer

LINES = [
    Line("0", "audio", "recvonly"),
    Line("1", "video", "recvonly"),
    Line("2", "audio", "sendonly", 11, 0, "u_bert", "a_bert", "u_bert"),
    Line("3", "video", "sendonly", 12, 13, "u_bert", "v_bert", "u_bert"),
    Line("4", "audio", "inactive"),
    Line("5", "video", "inactive"),
]
ANSWER = """v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=fingerprint:sha-256 aa:bb
a=setup:active
a=mid:0
a=sendonly
a=rtpmap:111 opus/48000/2
a=ssrc:100 cname:x
m=video 9 UDP/TLS/RTP/SAVPF 96 97 98
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=fingerprint:sha-256 aa:bb
a=setup:active
a=mid:1
a=recvonly
a=rtpmap:96 VP8/90000
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:98 H264/90000
a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f
a=ssrc-group:FID 200 201
a=ssrc:200 cname:x
a=ssrc:201 cname:x
"""


OFFER = Offer(
    number=77,
    version=3,
    credentials=Credentials("name", "p" * 24),
    fingerprint="sha-256 AA:BB",
    addresses=("127.0.0.1",),
    port=8200,
    lines=LINES,
)


def offer(*lines: Line, addresses: tuple[str, ...] = ("127.0.0.1",)) -> str:
    return write_offer(replace(OFFER, addresses=addresses, lines=lines or LINES))


def test_a_hospital_offers_the_codecs_that_it_named_in_their_order() -> None:
    named = replace(OFFER, codecs=("opus", "av1", "vp9", "vp8"))
    video = SessionDescription.parse(write_offer(named)).media[1]
    names = [codec.name for codec in video.rtp.codecs if codec.name != "rtx"]
    assert names == ["AV1", "VP9", "VP8"]


def test_another_implementation_reads_the_offer_as_meant() -> None:
    parsed = SessionDescription.parse(offer())
    assert "o=- 77 3 IN" in offer()
    assert [media.rtp.muxId for media in parsed.media] == ["0", "1", "2", "3", "4", "5"]
    assert [media.direction for media in parsed.media] == [line.direction for line in LINES]
    assert all(media.ice.iceLite and media.rtcp_mux for media in parsed.media)
    assert parsed.media[0].rtp.codecs[0].mimeType == "audio/opus"
    names = [codec.mimeType for codec in parsed.media[1].rtp.codecs]
    assert names == ["video/VP8", "video/rtx", "video/H264", "video/rtx"]
    assert [ssrc.ssrc for ssrc in parsed.media[3].ssrc] == [12, 13]
    assert parsed.media[3].msid == "u_bert v_bert"
    assert parsed.media[4].ssrc == []


def test_every_announced_address_is_a_candidate_on_every_line() -> None:
    text = offer(addresses=("192.0.2.1", "2001:db8::1"))
    assert text.count("192.0.2.1 8200 typ host") == len(LINES)
    assert text.count("2001:db8::1 8200 typ host") == len(LINES)
    priorities = {row.split()[3] for row in text.splitlines() if row.startswith("a=candidate")}
    assert len(priorities) == 2


def test_an_offer_of_an_ipv6_worker_says_so() -> None:
    assert "c=IN IP6 2001:db8::1" in offer(addresses=("2001:db8::1",))


def test_an_answer_is_read() -> None:
    answer = read_answer(ANSWER, ["0", "1"])
    assert answer.credentials == Credentials("abcd", "abcdefghijklmnopqrstuv")
    assert answer.fingerprints == (("sha-256", "AA:BB"),)
    audio, video = answer.lines
    assert (audio.sends, audio.receives, audio.ssrc) == (True, False, 100)
    assert (video.sends, video.receives) == (False, True)
    assert (video.ssrc, video.rtx_ssrc) == (200, 201)
    assert video.payloads == {"vp8": 96}  # H.264 in the other packetization mode is no match.
    assert video.rtx == {96: 97}


def test_attributes_may_stand_at_the_session() -> None:
    shared = "a=ice-ufrag:abcd\na=ice-pwd:pass\na=fingerprint:sha-256 CC\na=setup:active\n"
    text = f"v=0\ns=-\n{shared}m=audio 9 X 111\na=mid:0\n"
    assert read_answer(text, ["0"]).fingerprints == (("sha-256", "CC"),)


def test_a_rejected_line_neither_sends_nor_receives() -> None:
    answer = read_answer(ANSWER.replace("m=video 9", "m=video 0"), ["0", "1"])
    assert not answer.lines[1].sends
    assert not answer.lines[1].receives


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("v=0", "hello", "no SDP"),
        ("a=mid:1", "a=mid:7", "media line 1"),
        ("a=setup:active", "a=setup:passive", "active DTLS role"),
        ("a=setup:active", "a=x", "active DTLS role"),
        ("a=fingerprint:sha-256 aa:bb", "a=x", "no fingerprint"),
        ("a=ice-ufrag:abcd", "a=x", "no ICE credentials"),
        ("a=ssrc:100 ", "a=ssrc:99999999999 ", "SSRC"),
        ("a=ssrc:100 ", "a=ssrc:-4 ", "SSRC"),
        ("a=rtpmap:96 ", "a=rtpmap:960 ", "payload type"),
        ("a=rtpmap:96 ", "a=rtpmap:x ", "payload type"),
        ("m=audio 9", "m=audio x", "malformed"),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=audio 0 UDP/TLS/RTP/SAVPF 111", ""),
    ],
)
def test_unusable_answers_are_refused_by_name(old: str, new: str, complaint: str) -> None:
    text = ANSWER.replace(old, new)
    if not complaint:
        read_answer(text, ["0", "1"])
        return
    with pytest.raises(BadAnswer, match=complaint):
        read_answer(text, ["0", "1"])


def test_an_answer_with_too_few_lines_or_too_many_bytes_is_refused() -> None:
    with pytest.raises(BadAnswer, match="media lines"):
        read_answer(ANSWER, ["0", "1", "2", "3"])
    with pytest.raises(BadAnswer, match="too large"):
        read_answer(ANSWER + "a=x\n" * sdp.MAX_ANSWER_BYTES, ["0", "1"])


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(BadAnswer):
        read_answer("v=0\nm=audio 9 X 1\na=mid:0\n" + text, ["0"])


@given(st.integers(0, len(ANSWER) - 1), st.integers(0, 40), st.text(max_size=6))
def test_any_damage_to_an_answer_is_read_or_refused(at: int, length: int, new: str) -> None:
    with suppress(BadAnswer):
        read_answer(ANSWER[:at] + new + ANSWER[at + length :], ["0", "1"])
