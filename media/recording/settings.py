"""What a hospital may set about recordings."""

from core.personal_data import RETENTION, RecordClass
from core.settings import declare
from media.recording.layouts import Layout

_KEEPING = RETENTION[RecordClass.COMMUNICATION]
assert _KEEPING is not None

PATIENT_MAY_WATCH = declare(
    "recording.patient_may_watch",
    bool,
    True,
    title="患者可回看录像",
    description="关闭时，录像只对医务人员、监督员和管理员开放",
)
WAIT_MINUTES = declare(
    "recording.wait_minutes",
    int,
    10,
    title="等待录制片段的时长",
    description="媒体服务器故障后，等待其找回录制片段的时间；超过后用已有片段合成",
    unit="分钟",
    minimum=1,
    maximum=1440,
)
KEEP_JOURNAL_DAYS = declare(
    "recording.keep_journal_days",
    int,
    7,
    title="原始片段保留天数",
    description="录像合成完成后，原始录制片段的保留时间",
    unit="天",
    minimum=0,
    maximum=365,
)
KEEP_YEARS = declare(
    "recording.keep_years",
    int,
    _KEEPING.years,
    title="录像保存年限",
    description="超过此年限的录像连同字幕和转写文字自动清除，只留清除记录；受法律保全的不清除",
    unit="年",
    minimum=_KEEPING.years,
    maximum=100,
)
LAYOUT = declare(
    "recording.layout",
    str,
    Layout.SIDE_BY_SIDE.value,
    title="合成画面布局",
    description="新录像的画面布局；已有录像可在回放页重新合成",
    choices={
        Layout.SIDE_BY_SIDE.value: "并排",
        Layout.SPEAKER.value: "突出发言者",
        Layout.SCREEN.value: "突出共享屏幕",
    },
)
