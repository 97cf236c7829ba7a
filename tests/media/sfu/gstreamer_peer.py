"""A caller on GStreamer's webrtcbin: run by the system's Python, which has its bindings.

Reads offers as JSON lines ``{"version", "sdp"}``, prints ``{"version", "sdp"}`` answers and, once a
second, ``{"frames": {"audio": n, "video": n}, "ice": state}`` of what it decoded.
"""

import json
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

SENDS = """
webrtcbin name=rtc bundle-policy=max-bundle
videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=15/1
  ! vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay picture-id-mode=15-bit
  ! application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000 ! queue name=video
audiotestsrc is-live=true wave=ticks ! audioconvert ! audioresample ! opusenc ! rtpopuspay
  ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000
  ! queue name=audio
"""
#: What turns a stream into frames, by its codec.
RECEIVES = {
    "OPUS": ("audio", "rtpopusdepay ! opusdec"),
    "VP8": ("video", "rtpvp8depay ! vp8dec"),
}


class Caller:
    """One webrtcbin that publishes a ball and ticks, and counts what it decodes of others."""

    def __init__(self) -> None:
        self.frames = {"audio": 0, "video": 0}
        self.pipe = Gst.parse_launch(SENDS)
        self.rtc = self.pipe.get_by_name("rtc")
        # In the order of the offer's lines, so that each finds its own.
        for name in ("audio", "video"):
            pad = self.rtc.request_pad_simple("sink_%u")
            self.pipe.get_by_name(name).get_static_pad("src").link(pad)
            pad.get_property("transceiver").set_property(
                "direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY
            )
        self.rtc.connect("pad-added", self._incoming)
        self.pipe.set_state(Gst.State.PLAYING)

    def offer(self, line: str) -> bool:
        offer = json.loads(line)
        _, message = GstSdp.SDPMessage.new_from_text(offer["sdp"])
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.OFFER, message)
        promise = Gst.Promise.new_with_change_func(self._described, offer["version"])
        self.rtc.emit("set-remote-description", description, promise)
        return False

    def _described(self, _: Gst.Promise, version: int) -> None:
        promise = Gst.Promise.new_with_change_func(self._answered, version)
        self.rtc.emit("create-answer", None, promise)

    def _answered(self, promise: Gst.Promise, version: int) -> None:
        # The answer lies in the reply: it lives as long.
        reply = promise.get_reply()
        answer = reply.get_value("answer")
        self.rtc.emit("set-local-description", answer, Gst.Promise.new())
        tell({"version": version, "sdp": answer.sdp.as_text()})

    def _incoming(self, _: Gst.Element, pad: Gst.Pad) -> None:
        if pad.direction != Gst.PadDirection.SRC:
            return
        codec = pad.get_current_caps().get_structure(0).get_string("encoding-name")
        kind, decoders = RECEIVES[codec]
        text = f"queue ! {decoders} ! fakesink name=end signal-handoffs=true sync=false async=false"
        decode = Gst.parse_bin_from_description(text, True)
        self.pipe.add(decode)
        decode.get_by_name("end").connect("handoff", self._frame, kind)
        decode.sync_state_with_parent()
        pad.link(decode.get_static_pad("sink"))

    def _frame(self, _: Gst.Element, __: Gst.Buffer, ___: Gst.Pad, kind: str) -> None:
        self.frames[kind] += 1

    def report(self) -> bool:
        state = self.rtc.get_property("ice-connection-state").value_nick
        tell({"frames": self.frames, "ice": state})
        return True


def tell(what: dict) -> None:
    print(json.dumps(what), flush=True)


def read(caller: Caller, loop: GLib.MainLoop) -> None:
    for line in sys.stdin:
        GLib.idle_add(caller.offer, line)
    GLib.idle_add(loop.quit)


def main() -> None:
    Gst.init(None)
    loop = GLib.MainLoop()
    caller = Caller()
    GLib.timeout_add_seconds(1, caller.report)
    threading.Thread(target=read, args=(caller, loop), daemon=True).start()
    loop.run()
    caller.pipe.set_state(Gst.State.NULL)


main()
