"""Named errors of the media engine, its worker and the control protocol.

The code of an error is part of the control protocol; ``error_for`` turns it back into the class.
"""

from __future__ import annotations


class MediaError(Exception):
    """Base of what the media engine refuses. ``code`` is stable, the message is for operators."""

    code = "media_error"


class BadRequest(MediaError):
    """A control frame that is no request, or lacks a field, or has one of the wrong type."""

    code = "bad_request"


class CallUnknown(MediaError):
    """No such call is open on this worker (never was, or the worker started anew)."""

    code = "call_unknown"


class PeerUnknown(MediaError):
    """The call has no such peer, or the peer has another session now."""

    code = "peer_unknown"


class StaleAnswer(MediaError):
    """The answer quotes a version that is not the outstanding offer's."""

    code = "stale_answer"


class BadAnswer(MediaError):
    """The answer is not usable SDP for the offer: nothing was changed."""

    code = "bad_answer"


class WorkerFull(MediaError):
    """The worker takes no further calls or peers."""

    code = "worker_full"


class RecordingUnavailable(MediaError):
    """The worker's disk takes no journal: the call must not run unrecorded unnoticed."""

    code = "recording_unavailable"


class WorkerUnavailable(MediaError):
    """No media worker is reachable, or the connection broke before the reply came."""

    code = "worker_unavailable"


_BY_CODE: dict[str, type[MediaError]] = {
    error.code: error
    for error in (
        BadRequest,
        CallUnknown,
        PeerUnknown,
        StaleAnswer,
        BadAnswer,
        WorkerFull,
        RecordingUnavailable,
        WorkerUnavailable,
    )
}


def error_for(code: str, message: str) -> MediaError:
    """The exception for an error code of the control protocol."""
    return _BY_CODE.get(code, MediaError)(message)
