import { http } from "@/api/http";

export type ReportKind = "exam" | "lab";
export type Mark =
  "normal" | "high" | "low" | "abnormal" | "critical_high" | "critical_low" | "critical";

/** One past visit in the hospital with what was written down of it. */
export interface HospitalRecord {
  record_no: string;
  visit_date: string;
  department: string;
  doctor: string;
  complaint: string;
  history: string;
  examination: string;
  diagnosis: string;
  advice: string;
  medicines: string[];
}

export interface ReportRow {
  report_no: string;
  kind: ReportKind;
  category: string;
  title: string;
  department: string;
  released_at: string;
  /** Null when the hospital does not say. */
  abnormal: boolean | null;
}

export interface LabResult {
  code: string;
  name: string;
  value: string;
  unit: string;
  reference: string;
  mark: Mark | null;
}

export interface Report extends ReportRow {
  ordered_by: string;
  reported_by: string;
  specimen: string;
  findings: string;
  conclusion: string;
  results: LabResult[];
  pictures: { picture_no: string; title: string; content_type: string; url: string }[];
}

export type PrescriptionKind = "western" | "patent" | "herbal";

/** One past prescription of a list; the drugs by their names alone. */
export interface PrescriptionRow {
  prescription_no: string;
  issued_on: string;
  kind: PrescriptionKind;
  kind_text: string;
  department: string;
  doctor: string;
  diagnosis: string;
  drugs: string[];
}

/** One drug as prescribed; of a herb `quantity` is the weight in one dose. */
export interface PrescriptionLine {
  name: string;
  specification: string;
  dose: string;
  route: string;
  frequency: string;
  days: number | null;
  quantity: string;
  unit: string;
}

export interface Prescription extends PrescriptionRow {
  lines: PrescriptionLine[];
  /** Of herbs: how many doses (剂), and how they are taken. */
  doses: number | null;
  usage: string;
}

/** `known`: whether the hospital has a file of this person at all. */
export interface Found<T> {
  known: boolean;
  since: string;
  until: string;
  items: T[];
}

export const hospital = {
  records: (consultation: string) =>
    http.get<Found<HospitalRecord>>(`/consultations/${consultation}/hospital-records`),
  reports: (consultation: string, kind: ReportKind) =>
    http.get<Found<ReportRow>>(`/consultations/${consultation}/reports`, { kind }),
  report: (consultation: string, { kind, report_no }: ReportRow) =>
    http.get<Report>(`/consultations/${consultation}/reports/${kind}/${report_no}`),
  prescriptions: (consultation: string) =>
    http.get<Found<PrescriptionRow>>(`/consultations/${consultation}/past-prescriptions`),
  prescription: (consultation: string, number: string) =>
    http.get<Prescription>(`/consultations/${consultation}/past-prescriptions/${number}`),
};

const MARKS: Readonly<Record<Mark, string>> = {
  normal: "",
  high: "↑",
  low: "↓",
  abnormal: "异常",
  critical_high: "↑↑ 危急",
  critical_low: "↓↓ 危急",
  critical: "危急",
};

/** The sign beside a value; empty for a normal one and where nothing can be said. */
export function markText(mark: Mark | null): string {
  return mark ? MARKS[mark] : "";
}

/** How a drug is taken, as on the paper; what the hospital left out is left out. */
export function usageOf(line: PrescriptionLine): string {
  const days = line.days === null ? "" : `${line.days}天`;
  // "每次 5mg", but 薄涂 or 每侧 2 揿 as it stands.
  const dose = /^\d/.test(line.dose) ? `每次${line.dose}` : line.dose;
  return [dose, line.route, line.frequency, days].filter(Boolean).join("，");
}
