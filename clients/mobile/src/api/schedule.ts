import { http } from './client'
import type { DoctorShort, Kind, Mode } from './types'

export interface OpenShift {
  id: string
  kind: Kind
  mode: Mode
  service_text: string
  starts_at: string
  ends_at: string
  left: number
  state: 'open' | 'disabled' | 'suspended'
  bookable: boolean
}

export interface Shift extends OpenShift {
  doctor: DoctorShort
  places: number
  extra: number
  taken: number
  waiting: number
  served: number
}

export type BookingState = 'held' | 'queued' | 'called' | 'passed' | 'serving' | 'done' | 'released'

export interface Booking {
  consultation_id: string
  shift: OpenShift
  doctor: DoctorShort
  number: number
  state: BookingState
  state_text: string
  ahead: number
  called_number: number | null
  estimated_at: string
  arrived_at: string | null
  called_at: string | null
}

export interface QueueEntry {
  consultation_id: string
  number: number
  state: BookingState
  state_text: string
  patient_name: string
  sex: 'male' | 'female'
  age_text: string
  description: string
  red_flag: boolean
  room_id: string | null
  arrived_at: string | null
  called_at: string | null
  calls: number
}

export interface Queue {
  shift: Shift
  entries: QueueEntry[]
}

export interface DepartmentOffer {
  department: { id: string; name: string }
  intro: string
  modes: Mode[]
  price_fen: number
  minutes: number
}

export const schedule = {
  ofDoctor: (id: string, kind: string, mode: string) =>
    http.call<OpenShift[]>('GET', `/doctors/${id}/shifts`, { query: { kind, mode } }),
  departments: () => http.call<DepartmentOffer[]>('GET', '/consultations/department-offers'),
  bookings: () => http.call<Booking[]>('GET', '/bookings'),
  booking: (id: string) => http.call<Booking>('GET', `/bookings/${id}`),
  arrive: (id: string) => http.call<Booking>('POST', `/bookings/${id}/arrive`),
  move: (id: string, shift_id: string) =>
    http.call<Booking>('POST', `/bookings/${id}/move`, { body: { shift_id } }),
  /** The clinician's own, of a day; without one today's. */
  mine: (day?: string) =>
    http.call<Shift[]>('GET', '/shifts', { query: day ? { from: day, to: day } : {} }),
  queue: (id: string) => http.call<Queue>('GET', `/shifts/${id}/queue`),
  callNext: (id: string) => http.call<Queue>('POST', `/shifts/${id}/call-next`),
  /** `verb`: call-again, pass, return. */
  handle: (id: string, consultation: string, verb: string) =>
    http.call<Queue>('POST', `/shifts/${id}/queue/${consultation}/${verb}`),
  extra: (id: string, places: number) =>
    http.call<Shift>('POST', `/shifts/${id}/extra`, { body: { places } }),
}
