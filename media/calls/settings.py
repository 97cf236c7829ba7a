"""What a hospital may set about calls."""

from core.settings import declare

RING_SECONDS = declare(
    "calls.ring_seconds",
    int,
    60,
    title="振铃时长",
    description="对方多久未接听即视为无人接听",
    unit="秒",
    minimum=10,
    maximum=300,
)
ABANDONED_SECONDS = declare(
    "calls.abandoned_seconds",
    int,
    180,
    title="无人通话的保留时长",
    description="所有人都掉线后，通话保留多久等待重连",
    unit="秒",
    minimum=30,
    maximum=3600,
)
MOST_VIEWERS = declare(
    "calls.most_viewers",
    int,
    200,
    title="讲座观众上限",
    description="一场讲座最多多少人同时观看，台上的人不计在内",
    unit="人",
    minimum=1,
    maximum=230,
)
WITHOUT_RECORDING = declare(
    "calls.without_recording",
    bool,
    False,
    title="未同意录制时允许通话",
    description="关闭时，患者未同意录制的诊间不能发起通话，可继续图文沟通或到院就诊；同事间的通话不录制，不受此限",
)
