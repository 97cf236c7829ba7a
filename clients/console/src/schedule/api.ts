import { http } from "@/api/http";
import type { Consultation, ConsultationKind, DoctorRef, Page } from "@/api/types";

export type ShiftState = "open" | "disabled" | "suspended";
export type Mode = "text" | "voice" | "video";

export interface Shift {
  id: string;
  kind: ConsultationKind;
  mode: Mode;
  service_text: string;
  starts_at: string;
  ends_at: string;
  left: number;
  state: ShiftState;
  bookable: boolean;
  doctor: DoctorRef;
  places: number;
  extra: number;
  taken: number;
  waiting: number;
  served: number;
  reason: string | null;
  version: number;
  changed_at: string;
}

export type BookingState =
  "held" | "queued" | "called" | "passed" | "serving" | "done" | "released";

export interface QueueEntry {
  consultation_id: string;
  number: number;
  state: BookingState;
  state_text: string;
  patient_name: string;
  sex: "male" | "female";
  age_text: string;
  description: string;
  red_flag: boolean;
  room_id: string | null;
  arrived_at: string | null;
  called_at: string | null;
  calls: number;
}

export interface Queue {
  shift: Shift;
  entries: QueueEntry[];
}

export interface CallLine {
  id: string;
  at: string;
  kind: "called" | "called_again" | "passed" | "returned";
  kind_text: string;
  number: number;
  doctor: DoctorRef;
  patient: { name: string | null };
  shift_starts_at: string;
  consultation_id: string;
}

export interface CallFilter {
  from?: string;
  to?: string;
  doctor?: string;
  kind?: string;
}

export interface ShiftPlan {
  starts_at: string;
  ends_at: string;
  places: number;
}

export const schedule = {
  week: (from: string, to: string, filter: { doctor_id?: string; department_id?: string } = {}) =>
    http.get<Shift[]>("/shifts", { from, to, ...filter }),
  today: () => http.get<Shift[]>("/shifts"),
  plan: (wish: ShiftPlan & { doctor_id: string; kind: string; mode: string }) =>
    http.post<Shift>("/shifts", wish),
  change: (id: string, wish: ShiftPlan & { version: number }) =>
    http.put<Shift>(`/shifts/${id}`, wish),
  remove: (id: string) => http.delete<void>(`/shifts/${id}`),
  switch: (id: string, on: boolean) =>
    http.post<Shift>(`/shifts/${id}/${on ? "enable" : "disable"}`),
  suspend: (id: string, reason: string) => http.post<Shift>(`/shifts/${id}/suspend`, { reason }),
  extra: (id: string, places: number) => http.post<Shift>(`/shifts/${id}/extra`, { places }),
  copyWeek: (wish: { from_day: string; to_day: string; department_id?: string }) =>
    http.post<{ made: number; left_out: number }>("/shifts/copy-week", wish),
  exportCsv: (from: string, to: string) =>
    http.download("/shifts/export.csv", { from, to }, `排班-${from}.csv`),
  queue: (id: string) => http.get<Queue>(`/shifts/${id}/queue`),
  callNext: (id: string) => http.post<Queue>(`/shifts/${id}/call-next`),
  handle: (id: string, consultation: string, verb: "call-again" | "pass" | "return") =>
    http.post<Queue>(`/shifts/${id}/queue/${consultation}/${verb}`),
};

export const calls = {
  list: (filter: CallFilter, cursor: string | null) =>
    http.get<Page<CallLine>>("/queue-calls", { ...filter, cursor, limit: 20 }),
  exportCsv: (filter: CallFilter, name: string) =>
    http.download("/queue-calls/export.csv", { ...filter }, name),
};

export interface Terms {
  kind: "first" | "revisit" | "advice" | "medication";
  mode: Mode;
  price_fen: number;
  minutes: number;
  enabled: boolean;
}

export interface DoctorTerms {
  doctor: DoctorRef;
  services: (Terms & { own: boolean })[];
}

export const terms = {
  byTitle: () => http.get<(Terms & { title: string })[]>("/service-terms"),
  setForTitle: (title: string, wish: Terms) => http.put<void>("/service-terms", { title, ...wish }),
  doctors: (q: string) => http.get<DoctorTerms[]>("/service-terms/doctors", { q }),
  setForDoctor: (id: string, wish: Terms) => http.put<void>(`/service-terms/doctors/${id}`, wish),
  followTitle: (id: string, kind: string, mode: string) =>
    http.delete<void>(`/service-terms/doctors/${id}/${kind}/${mode}`),
};

/** One of the own services; `per_day` patients a day of what is counted so. */
export type OwnService = Omit<Terms, "kind"> & {
  kind: Terms["kind"] | "nursing";
  per_day: number | null;
};

/** What the clinician at the desk offers. */
export const ownServices = {
  list: () => http.get<OwnService[]>("/me/services"),
  set: (wish: Omit<OwnService, "per_day"> & { per_day?: number }) =>
    http.put<OwnService[]>("/me/services", wish),
};

export interface DoctorLoad {
  doctor: DoctorRef;
  total: number;
  booked: number;
  states: Record<string, number>;
  kinds: Record<string, number>;
  modes: Record<string, number>;
  minutes: number;
}

export const load = {
  byDoctor: (filter: Record<string, string>) =>
    http.get<DoctorLoad[]>("/consultations/by-doctor", filter),
  assign: (id: string, doctor_id: string, reason: string) =>
    http.post<Consultation>(`/consultations/${id}/assign`, { doctor_id, reason }),
};
