import { http } from "@/api/http";
import type {
  Agreement,
  Consultation,
  ConsultationCounts,
  Department,
  DeviceSession,
  FileLink,
  FileRef,
  Message,
  Page,
  ParkedEvent,
  Phrase,
  Rating,
  Recording,
  RoomView,
  Role,
  Setting,
  SettingChange,
  SettingScope,
  SettingValue,
  StaffMember,
  SystemStatus,
  Tokens,
  User,
} from "@/api/types";
import { deviceId, deviceName } from "@/session";
import type { CallView, InboxPage } from "@zhenjian/realtime";

const device = () => ({ id: deviceId(), name: deviceName(), platform: "pc" });
const open = { open: true };

/** What the login page offers besides code and password. */
export interface LoginMethods {
  wechat_web: boolean;
  wechat_mini: boolean;
  sso: { title: string } | null;
}

export const auth = {
  smsCode: (phone: string) =>
    http.post<{ retry_after: number }>("/auth/sms-codes", { phone }, open),
  bySms: (phone: string, code: string) =>
    http.post<Tokens>("/auth/login/sms", { phone, code, device: device() }, open),
  byPassword: (login: string, password: string, role: Role | null = null) =>
    http.post<Tokens>("/auth/login/password", { login, password, role, device: device() }, open),
  changeRole: (role: Role, hospital_id: string) =>
    http.post<Tokens>("/auth/role", { role, hospital_id }),
  methods: () => http.get<LoginMethods>("/auth/methods", {}, open),
  startSso: () => http.post<{ url: string }>("/auth/login/sso/start", { device: device() }, open),
  bySso: (code: string, state: string) =>
    http.post<Tokens>("/auth/login/sso", { code, state, device: device() }, open),
  logout: () => http.post<void>("/auth/logout"),
  sessions: () => http.get<DeviceSession[]>("/auth/sessions"),
  rename: (id: string, label: string) =>
    http.patch<DeviceSession>(`/auth/sessions/${id}`, { label }),
  revokeOthers: () => http.post<void>("/auth/sessions/revoke-others"),
  revoke: (id: string) => http.delete<void>(`/auth/sessions/${id}`),
};

/** How one is reminded of what comes in: by a sound, by a note on the screen. */
export interface Reminders {
  sound: boolean;
  popup: boolean;
}

export const me = {
  read: () => http.get<{ user: User }>("/me"),
  edit: (change: { name?: string; avatar_file_id?: string }) => http.patch<unknown>("/me", change),
  password: (body: { old?: string; new: string; end_others?: boolean }) =>
    http.put<void>("/me/password", body),
  reminders: () => http.get<Reminders>("/me/reminders"),
  changeReminders: (chosen: Reminders) => http.put<Reminders>("/me/reminders", chosen),
  agreements: () => http.get<Agreement[]>("/me/agreements"),
  accept: (code: string, version: string) => http.post<void>("/me/agreements", { code, version }),
};

export interface ConsultationFilter {
  state?: string;
  q?: string;
  patient?: string;
  doctor?: string;
  patient_id?: string;
  doctor_id?: string;
  department_id?: string;
  kind?: string;
  booked?: string;
  mode?: string;
  purpose?: string;
  by?: string;
  from?: string;
  to?: string;
  cursor?: string | null;
  limit?: number;
}

export const consultations = {
  list: (filter: ConsultationFilter, signal?: AbortSignal) =>
    http.get<Page<Consultation>>("/consultations", { ...filter }, signal ? { signal } : {}),
  counts: () => http.get<ConsultationCounts>("/consultations/counts"),
  show: (id: string) => http.get<Consultation>(`/consultations/${id}`),
  accept: (id: string) => http.post<Consultation>(`/consultations/${id}/accept`),
  decline: (id: string, reason: string) =>
    http.post<Consultation>(`/consultations/${id}/decline`, { reason }),
  decideProof: (id: string, accepted: boolean, reason?: string) =>
    http.post<Consultation>(`/consultations/${id}/proof-decision`, {
      accepted,
      ...(reason ? { reason } : {}),
    }),
  saveNote: (id: string, note: { diagnosis: string; advice: string }) =>
    http.put<unknown>(`/consultations/${id}/closing-note`, note),
  amendNote: (id: string, note: { diagnosis: string; advice: string; reason: string }) =>
    http.post<Consultation>(`/consultations/${id}/closing-note/versions`, note),
  end: (id: string) => http.post<Consultation>(`/consultations/${id}/end`),
  refund: (id: string, reason: string) =>
    http.post<Consultation>(`/consultations/${id}/refund`, { reason }),
  tag: (id: string, tags: string[]) => http.put<string[]>(`/consultations/${id}/tags`, { tags }),
  usedTags: () => http.get<string[]>("/patient-tags"),
  history: (id: string) =>
    http.get<Consultation[] | Page<Consultation>>(`/consultations/${id}/history`),
  exportCsv: (filter: ConsultationFilter, name: string) =>
    http.download("/consultations/export.csv", { ...filter }, name),
  questions: () => http.get<{ id: string; text: string; red_flag: boolean }[]>("/intake/questions"),
};

export const phrases = {
  list: () => http.get<Phrase[] | Page<Phrase>>("/phrases"),
  add: (phrase: Omit<Phrase, "id">) => http.post<Phrase>("/phrases", phrase),
  edit: (id: string, phrase: Omit<Phrase, "id">) => http.put<Phrase>(`/phrases/${id}`, phrase),
  remove: (id: string) => http.delete<void>(`/phrases/${id}`),
  order: (ids: string[]) => http.put<Phrase[]>("/phrases/order", { ids }),
};

export const ratings = {
  received: (cursor?: string | null) => http.get<Page<Rating>>("/ratings/received", { cursor }),
};

export const files = {
  upload: (file: Blob, name: string, purpose: string, progress: (share: number) => void) => {
    const form = new FormData();
    form.set("purpose", purpose);
    form.set("file", file, name);
    return http.upload<FileRef>("/files", form, progress);
  },
  links: (ids: string[]) => http.post<Record<string, FileLink>>("/files/links", { ids }),
};

export const rooms = {
  show: (id: string) => http.get<RoomView>(`/rooms/${id}`),
  messages: (id: string, where: { after?: number; before?: number; limit?: number }) =>
    http.get<{ messages: Message[]; has_more: boolean }>(`/rooms/${id}/messages`, where),
  recordings: (id: string) => http.get<Recording[]>(`/rooms/${id}/recordings`),
  call: (id: string) => http.get<CallView | null>(`/rooms/${id}/call`),
  recordingLink: (recording: string, file: string) =>
    http.post<{ url: string; expires_at: string }>(`/recordings/${recording}/files/${file}/link`),
};

export const inbox = {
  after: (cursor: number) => http.get<InboxPage>("/inbox", { after: cursor, limit: 100 }),
  read: (up_to: number) => http.put<void>("/inbox/read", { up_to }),
};

export const administration = {
  settings: () => http.get<Setting[]>("/settings"),
  changeSetting: (
    key: string,
    change: { value: SettingValue; scope: SettingScope; scope_id?: string; reason?: string },
  ) => http.put<unknown>(`/settings/${key}`, change),
  resetSetting: (key: string, scope: SettingScope, scope_id?: string) =>
    http.delete<void>(`/settings/${key}`, { scope, scope_id }),
  settingHistory: (key: string) => http.get<SettingChange[]>(`/settings/${key}/history`),
  parked: (cursor?: string | null) => http.get<Page<ParkedEvent>>("/outbox/parked", { cursor }),
  retry: (id: string) => http.post<void>(`/outbox/parked/${id}/retry`),
  staff: (filter: Record<string, string | null | undefined>) =>
    http.get<Page<StaffMember>>("/staff", filter),
  system: () => http.get<SystemStatus>("/system"),
  departments: () => http.get<Department[]>("/departments"),
};

/** Some lists come bare, some as a page. */
export function listOf<T>(answer: T[] | Page<T>): T[] {
  return Array.isArray(answer) ? answer : answer.items;
}
