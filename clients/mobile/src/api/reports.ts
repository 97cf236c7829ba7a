import { http } from './client'

export type ReportKind = 'exam' | 'lab'
export type Mark =
  | 'normal'
  | 'high'
  | 'low'
  | 'abnormal'
  | 'critical_high'
  | 'critical_low'
  | 'critical'

export interface ReportRow {
  report_no: string
  kind: ReportKind
  category: string
  title: string
  department: string
  released_at: string
  /** Null when the hospital does not say. */
  abnormal: boolean | null
}

export interface LabResult {
  code: string
  name: string
  value: string
  unit: string
  reference: string
  mark: Mark | null
}

export interface Report extends ReportRow {
  ordered_by: string
  reported_by: string
  specimen: string
  findings: string
  conclusion: string
  results: LabResult[]
  pictures: { picture_no: string; title: string; content_type: string; url: string }[]
}

export interface ReportList {
  /** Whether the hospital has a file of this person at all. */
  known: boolean
  since: string
  until: string
  items: ReportRow[]
}

export const reports = {
  list: (patient: string, query: { kind: ReportKind; from?: string; to?: string }) =>
    http.call<ReportList>('GET', `/patients/${patient}/reports`, { query }),
  show: (patient: string, kind: ReportKind, number: string) =>
    http.call<Report>('GET', `/patients/${patient}/reports/${kind}/${number}`),
}
