"""Named refusals of the consultation module."""

from core.errors import ProblemError


class NotDraft(ProblemError):
    code, status, title = "consultation_not_draft", 409, "问诊已提交，不能再修改"


class NotWaiting(ProblemError):
    code, status, title = (
        "consultation_not_waiting",
        409,
        "该问诊已不在待接诊状态，请刷新",
    )


class NotActive(ProblemError):
    code, status, title = "consultation_not_active", 409, "该问诊不在进行中"


class NotCancellable(ProblemError):
    code, status, title = "consultation_not_cancellable", 409, "该问诊当前不能取消"


class NotRefundable(ProblemError):
    code, status, title = "consultation_not_refundable", 409, "该问诊当前不能退费"


class NotThisDepartment(ProblemError):
    code, status, title = "not_this_department", 409, "只能由本科室的同事接手"


class NotYetTime(ProblemError):
    code, status, title = "not_yet_time", 409, "未到预约时间，请在预约时间进入诊间"


class AcceptFirst(ProblemError):
    code, status, title = "accept_first", 409, "请先接诊，再处理科室订单"


class KindNotOffered(ProblemError):
    code, status, title = "kind_not_offered", 409, "暂未开放此类问诊"


class CallNotBooked(ProblemError):
    code, status, title = "call_not_booked", 409, "本次问诊的方式不含此类通话"


class AdviceOnly(ProblemError):
    code, status, title = "advice_only", 409, "咨询只提供建议，不能填写诊断"


class AdviceRequired(ProblemError):
    code, status, title = "advice_required", 409, "请先填写建议，再结束咨询"


class NotAssignable(ProblemError):
    code, status, title = "consultation_not_assignable", 409, "该问诊当前不能分配"


class AcceptTooLate(ProblemError):
    code, status, title = "accept_too_late", 409, "已超过接诊时限，费用将退回患者"


class RevisitUnproven(ProblemError):
    code, status, title = (
        "revisit_unproven",
        409,
        "请先完成复诊资格核对，或上传既往就诊证明",
    )


class ProofNotExpected(ProblemError):
    code, status, title = "proof_not_expected", 409, "当前不需要上传就诊证明"


class ProofNotSubmitted(ProblemError):
    code, status, title = "proof_not_submitted", 409, "没有待确认的就诊证明"


class ProofUndecided(ProblemError):
    code, status, title = "proof_undecided", 409, "请先确认患者的复诊凭证，再填写诊断"


class ClosingNoteRequired(ProblemError):
    code, status, title = "closing_note_required", 409, "请先填写诊断和建议，再结束问诊"


class ClosingNoteFinal(ProblemError):
    code, status, title = "closing_note_final", 409, "问诊小结已定稿，不能修改"


class ClosingNoteNotFinal(ProblemError):
    code, status, title = "closing_note_not_final", 409, "问诊小结尚未定稿，可直接修改"


class ClosingNoteUnchanged(ProblemError):
    code, status, title = "closing_note_unchanged", 422, "内容没有变化，无需修订"


class ConsentRequired(ProblemError):
    code, status, title = "consent_required", 409, "请先阅读并同意问诊须知"


class ConsentOutdated(ProblemError):
    code, status, title = "consent_outdated", 409, "问诊须知已更新，请重新阅读"


class RecordingRefused(ProblemError):
    code, status, title = "recording_refused", 409, "不同意录音录像时不能进行视频问诊"


class DescriptionRequired(ProblemError):
    code, status, title = "description_required", 422, "请填写病情描述"


class DirectionRequired(ProblemError):
    code, status, title = "direction_required", 422, "请选择药物咨询方向"


class PatientUnverified(ProblemError):
    code, status, title = "patient_unverified", 409, "就诊人尚未通过实名核验"


class GuardianUnverified(ProblemError):
    code, status, title = "guardian_unverified", 409, "监护人尚未通过实名核验"


class DoctorUnavailable(ProblemError):
    code, status, title = "doctor_unavailable", 409, "对方暂不提供此项服务，请另选一位"


class DayFull(ProblemError):
    code, status, title = "day_full", 409, "今日名额已满，请明天再来，或换一位"


class OwnDoctor(ProblemError):
    code, status, title = "own_doctor", 409, "不能向自己发起问诊"


class HisUnavailable(ProblemError):
    code, status, title = (
        "his_unavailable",
        503,
        "暂时无法查询就诊记录，请稍后重试或上传就诊证明",
    )


class TooManyPhrases(ProblemError):
    code, status, title = "too_many_phrases", 409, "常用语已达上限，请先删除不用的"
