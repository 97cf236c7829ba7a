import { http } from './client'
import type { DoctorService } from './types'

export type OwnService = Omit<DoctorService, 'left_today'>

/** What the clinician offers, at which price. */
export const services = {
  mine: () => http.call<OwnService[]>('GET', '/me/services'),
  set: (service: OwnService) => http.call<OwnService[]>('PUT', '/me/services', { body: service }),
}
