"""What a hospital can set about consultations."""

from clinical.consultation.states import KIND_TEXT, Refusal, TextCalls
from clinical.consultation.states import Kind as ConsultationKind
from core.settings import Scope, declare
from core.settings.registry import Kind

_NEAR = (Scope.GROUP, Scope.HOSPITAL, Scope.DEPARTMENT, Scope.PERSON)

PAY_MINUTES = declare(
    "consultation.pay_minutes",
    int,
    30,
    "支付时限",
    "提交后未在此时间内支付，问诊自动取消",
    "分钟",
    minimum=1,
    maximum=1440,
)
ACCEPT_MINUTES = declare(
    "consultation.accept_minutes",
    int,
    1440,
    "接诊时限",
    "支付后未在此时间内接诊，费用全额退回",
    "分钟",
    minimum=1,
    maximum=10080,
    scopes=_NEAR,
)
OVERTIME_MINUTES = declare(
    "consultation.overtime_minutes",
    int,
    60,
    "预约超时时限",
    "预约时段结束后超过此时间仍未接诊，费用全额退回",
    "分钟",
    minimum=0,
    maximum=1440,
    scopes=_NEAR,
)
#: Which kinds are open; what a department does not open its doctors cannot offer.
OPEN = {
    kind: declare(
        f"consultation.open_{kind.value}",
        bool,
        kind is not ConsultationKind.DEPARTMENT,
        f"开放{KIND_TEXT[kind]}",
        f"患者是否可以发起{KIND_TEXT[kind]}",
        scopes=_NEAR,
    )
    for kind in ConsultationKind
}
#: Calls in what was booked in text; nurses answer when they have time, never by a call. Advice has
#: no other way, and a revisit may come to a prescription, for which a doctor may have to see the
#: patient (decision 41).
_CALLS_FROM_THE_START = frozenset({ConsultationKind.ADVICE, ConsultationKind.REVISIT})
TEXT_CALLS = {
    kind: declare(
        f"consultation.text_calls_{kind.value}",
        Kind.CHOICE,
        (TextCalls.VIDEO if kind in _CALLS_FROM_THE_START else TextCalls.NONE).value,
        f"图文{KIND_TEXT[kind].removeprefix('图文')}可用的通话",
        "以图文方式预约时，接诊人员可以发起的通话；患者未同意录制的，接听前先征求其同意",
        choices={
            TextCalls.NONE.value: "不开放",
            TextCalls.VOICE.value: "语音",
            TextCalls.VIDEO.value: "语音和视频",
        },
        scopes=_NEAR,
    )
    for kind in ConsultationKind
    if kind is not ConsultationKind.NURSING
}
DEPARTMENT_PRICE_FEN = declare(
    "consultation.department_price_fen",
    Kind.MONEY,
    2000,
    "科室咨询价格",
    "患者按科室下单的咨询价格",
    "",
    minimum=0,
    maximum=1_000_000,
    scopes=(Scope.GROUP, Scope.HOSPITAL, Scope.DEPARTMENT),
)
DEPARTMENT_MINUTES = declare(
    "consultation.department_minutes",
    int,
    15,
    "科室咨询时长",
    "按科室下单的一次咨询的时长",
    "分钟",
    minimum=5,
    maximum=240,
    scopes=(Scope.GROUP, Scope.HOSPITAL, Scope.DEPARTMENT),
)
REMIND_MINUTES = declare(
    "consultation.remind_minutes",
    int,
    15,
    "未接诊再次提醒间隔",
    "未接诊时，每隔此时间再次提醒，直至接诊或超时",
    "分钟",
    minimum=1,
    maximum=720,
    scopes=_NEAR,
)
PAY_REMIND_MINUTES = declare(
    "consultation.pay_remind_minutes",
    int,
    10,
    "待支付提醒",
    "支付截止前此时间提醒患者支付，0 表示不提醒",
    "分钟",
    minimum=0,
    maximum=720,
)
NEAR_AHEAD = declare(
    "consultation.near_ahead",
    int,
    2,
    "候诊提醒",
    "候诊时前面不超过此人数，提醒患者即将轮到，每次就诊提醒一次；0 表示轮到下一位时提醒",
    "人",
    minimum=0,
    maximum=20,
)
REVISIT_WINDOW_DAYS = declare(
    "consultation.revisit_window_days",
    int,
    180,
    "复诊认定天数",
    "就诊人在此天数内有本院就诊记录，即可认定为复诊",
    "天",
    minimum=1,
    maximum=3650,
    scopes=(Scope.GROUP, Scope.HOSPITAL, Scope.DEPARTMENT),
)
CLOSING_NOTE_REQUIRED = declare(
    "consultation.closing_note_required",
    bool,
    True,
    "结束问诊须填写小结",
    "结束问诊前，是否必须填写诊断和建议",
)
PATIENT_SEES_UNSIGNED_NOTE = declare(
    "consultation.patient_sees_unsigned_note",
    bool,
    True,
    "患者可见未签名小结",
    "尚未签名的问诊小结是否向患者展示；展示时标明“未签名”",
)
RECORDING_REFUSED = declare(
    "consultation.recording_refused",
    Kind.CHOICE,
    Refusal.TEXT_ONLY.value,
    "患者不同意录制时",
    "患者不同意录音录像时可以选择的就诊方式",
    choices={Refusal.TEXT_ONLY.value: "改为图文问诊", Refusal.OFFLINE.value: "到院就诊"},
)
