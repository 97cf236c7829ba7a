"""What was agreed about audio and video."""

from core.settings import declare

MINUTES = declare(
    "metering.call_minutes",
    int,
    0,
    title="音视频分钟数额度",
    description="合同期内包含的通话分钟数（按参与人数累计），0 表示不设额度；超出后通话不受影响",
    unit="分钟",
    minimum=0,
    maximum=1_000_000_000,
)
GIGABYTES = declare(
    "metering.recording_gigabytes",
    int,
    0,
    title="录像存储额度",
    description="录像可占用的存储空间，0 表示不设额度；超出后录制不受影响",
    unit="GB",
    minimum=0,
    maximum=10_000_000,
)
TERM_START = declare(
    "metering.term_start",
    str,
    "",
    title="额度起算日",
    description="如 2026-01-01；留空从第一次通话算起",
)
WARN_PERCENT = declare(
    "metering.warn_percent",
    int,
    80,
    title="额度预警线",
    description="用量达到额度的这一比例时提醒管理员",
    unit="%",
    minimum=1,
    maximum=100,
)
