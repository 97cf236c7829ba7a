"""What a worker counts. Totals since the start; ``/metrics`` shows them."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Counters:
    """One number per thing that happens to a datagram."""

    datagrams_in: int = 0
    bytes_in: int = 0
    datagrams_out: int = 0
    bytes_out: int = 0
    send_refused: int = 0
    send_not_protected: int = 0
    stun_checks: int = 0
    stun_role_conflicts: int = 0
    stun_malformed: int = 0
    stun_unknown_user: int = 0
    stun_wrong_integrity: int = 0
    stun_ignored: int = 0
    address_changes: int = 0
    dtls_unknown_address: int = 0
    dtls_overflow: int = 0
    rtp_unknown_address: int = 0
    rtp_not_connected: int = 0
    rtp_unauthentic: int = 0
    rtp_malformed: int = 0
    rtp_unknown_stream: int = 0
    rtp_muted: int = 0
    rtcp_unauthentic: int = 0
    rtcp_malformed: int = 0
    garbage: int = 0
    nacks_sent: int = 0
    nacks_received: int = 0
    retransmitted: int = 0
    key_frames_requested: int = 0

    def as_dict(self) -> dict[str, int]:
        return {field.name: getattr(self, field.name) for field in fields(self)}
