"""How one instance of the simulators runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path


def system_now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """Settings of the simulators.

    `data_dir` is the installation's data folder; the simulators use its folder `sandbox`.
    `public_url` is the address under which a browser reaches the cashier; None takes the bound one.
    `callback_pace` stretches WeChat's retry schedule (15 s, 15 s, 30 s ...): 1 is the real one.
    `refund_seconds` is how long a refund takes, `late_seconds` how long a late callback,
    `hang_seconds` how long a call hangs under the fault "timeout".
    `public_key_id` (`PUB_KEY_ID_…`) makes the platform sign as it does for merchants that verify
    with a bare public key instead of certificates.
    `bill_ready_hour` is the hour (China time) of the next day from which a day's bill exists.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8100
    public_url: str | None = None
    callback_pace: float = 0.2
    refund_seconds: float = 2.0
    late_seconds: float = 90.0
    hang_seconds: float = 30.0
    bill_ready_hour: int = 10
    public_key_id: str | None = None
    now: Callable[[], datetime] = field(default=system_now)

    @property
    def folder(self) -> Path:
        """Where keys and state live."""
        return self.data_dir / "sandbox"

    @property
    def url(self) -> str:
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")
