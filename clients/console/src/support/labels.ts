import type { CallParticipant, PresenceState, Role } from "@zhenjian/realtime";
import type { Consultation, ConsultationKind, ConsultationState, Patient } from "@/api/types";

export const ROLES: Record<Role, string> = {
  patient: "患者",
  doctor: "医生",
  nurse: "护士",
  pharmacist: "药师",
  administrator: "管理员",
  supervisor: "监督员",
  operator: "运营人员",
  customer_service: "客服",
};

export const PRESENCE: Record<PresenceState, string> = {
  online: "在线",
  busy: "忙碌",
  offline: "离线",
};

export const STATES: Record<ConsultationState, string> = {
  draft: "草稿",
  awaiting_payment: "待支付",
  booked: "预约中",
  waiting: "待接诊",
  active: "问诊中",
  ended: "已结束",
  cancelled: "已取消",
};

/** Element Plus tag types by what a state means: amber waits, teal acts, grey is past. */
export const STATE_TAGS: Record<ConsultationState, "primary" | "warning" | "info"> = {
  draft: "info",
  awaiting_payment: "warning",
  booked: "warning",
  waiting: "warning",
  active: "primary",
  ended: "info",
  cancelled: "info",
};

const CLOSE_REASONS: Record<string, string> = {
  completed: "医生结束",
  ended_by_patient: "患者结束",
  cancelled_by_patient: "患者取消",
  payment_expired: "超时未支付",
  not_accepted: "超时未接诊，已退款",
  declined: "医生拒诊，已退款",
  refunded_by_doctor: "医生退诊，已退款",
  not_a_revisit: "不符合复诊条件",
  suspended: "医生停诊，已退款",
  ended_by_supervisor: "监督员结束",
};

export const MODES = { text: "图文", voice: "语音", video: "视频" } as const;
export const KINDS = {
  revisit: "在线复诊",
  first: "首诊咨询",
  advice: "图文咨询",
  department: "科室咨询",
  medication: "用药咨询",
  nursing: "护理咨询",
} as const;
const LEADERS: Partial<Record<ConsultationKind, Role>> = {
  medication: "pharmacist",
  nursing: "nurse",
};
/** Who leads consultations of a kind. */
export const leaderRole = (kind: ConsultationKind): Role => LEADERS[kind] ?? "doctor";
/** What whoever leads a consultation of a kind is called. */
export const leaderOf = (kind: ConsultationKind): string => ROLES[leaderRole(kind)];
/** A text about the doctor, with whoever leads in this kind called what he or she is. */
export const worded = (kind: ConsultationKind, text: string): string =>
  text.replaceAll(ROLES.doctor, leaderOf(kind));
export const MEDICATION_FIELDS: Record<string, string> = {
  heart: "心脑血管用药",
  endocrine: "糖尿病与内分泌用药",
  respiratory: "呼吸与过敏用药",
  digestive: "消化系统用药",
  infection: "抗感染用药",
  child: "儿童用药",
  maternal: "孕产与哺乳期用药",
  elderly: "老年与多重用药",
  chinese: "中药与中成药",
  skin: "皮肤与外用药",
};
export const doctorName = (one: Consultation): string =>
  one.doctor?.name ?? worded(one.kind, "待科室医生接诊");
export const serviceText = (one: Consultation): string =>
  one.service_text + (one.purpose === "refill" ? PURPOSES.refill : "");
export const PURPOSES = { revisit: "复诊", refill: "续方" } as const;

export function closeText(consultation: Consultation): string {
  return (
    consultation.close_text ??
    (consultation.close_reason
      ? worded(
          consultation.kind,
          CLOSE_REASONS[consultation.close_reason] ?? consultation.close_reason,
        )
      : "")
  );
}

export const REVISIT_STATUS: Record<string, string> = {
  unchecked: "未核对",
  eligible: "本院有就诊记录",
  proof_required: "需要患者上传凭证",
  proof_submitted: "待医生确认凭证",
  proof_confirmed: "凭证已确认",
  proof_rejected: "凭证未通过",
};

export const ID_TYPES: Record<string, string> = {
  identity_card: "居民身份证",
  permanent_residence: "外国人永久居留证",
  hk_macao_permit: "港澳居民来往内地通行证",
  passport: "护照",
  none: "无证件",
};

export const sexOf = (patient: Patient): string => (patient.sex === "male" ? "男" : "女");
export const patientLine = (patient: Patient): string =>
  `${patient.name} · ${sexOf(patient)} · ${patient.age_text}`;

export const firstText = (consultation: Consultation): string =>
  consultation.first ? "首次问诊" : "曾在本院问诊";

export const CALL_ENDS: Record<string, string> = {
  completed: "通话已结束",
  hung_up: "通话已结束",
  ended: "通话已结束",
  no_answer: "对方无人接听",
  declined: "对方已拒绝",
  cancelled: "已取消呼叫",
  taken_elsewhere: "已在其他设备接听",
  room_closed: "问诊已结束，通话随之结束",
  recording_refused: "患者不同意录制，通话已结束",
  worker_lost: "通话服务中断，通话已结束",
  recording_failed: "录制暂不可用，通话已结束，请稍后再试",
  connection_lost: "连接中断，通话已结束",
  busy: "已有通话正在进行",
  removed: "您已被移出本次通话",
};

export const QUALITY = ["", "很差", "较差", "一般", "良好"] as const;

export const participantText: Record<CallParticipant["state"], string> = {
  ringing: "呼叫中",
  joined: "通话中",
  declined: "已拒绝",
  left: "已离开",
  removed: "已移出",
};
