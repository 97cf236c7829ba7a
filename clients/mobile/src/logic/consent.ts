import type { ConsentAnswer, NeededConsent } from '@/api/rights'
import type { PatientConsent } from '@/api/types'

/** What the person has chosen about one text so far; nothing is chosen for anybody. */
export interface Choice {
  agreed: boolean
  purposes: Record<string, boolean>
  signature: string
}

export function emptyChoice(): Choice {
  return { agreed: false, purposes: {}, signature: '' }
}

/** Whether everything that the text demands has been ticked and signed. */
export function complete(needed: NeededConsent, choice: Choice | undefined): boolean {
  if (needed.given) return true
  if (!choice || !needed.may_answer) return false
  const { purposes, signature_required } = needed.text
  const ticked = purposes.length
    ? purposes.every((one) => !one.required || choice.purposes[one.code] === true)
    : choice.agreed
  return ticked && (!signature_required || choice.signature !== '')
}

const OF_ACCOUNT = new Set(['user_agreement', 'privacy'])

/** The answer as it is sent: every purpose by name, those not touched as a no. */
export function answerTo(
  needed: NeededConsent,
  choice: Choice,
  patientId: string | null,
): ConsentAnswer {
  return {
    kind: needed.kind,
    version: needed.text.version,
    purposes: Object.fromEntries(
      needed.text.purposes.map((one) => [one.code, choice.purposes[one.code] === true]),
    ),
    patient_id: OF_ACCOUNT.has(needed.kind) ? null : patientId,
    signature: choice.signature || null,
  }
}

/** The consent that goes with a new patient; it names the text by the digest of what was shown. */
export function consentWith(needed: NeededConsent, choice: Choice): PatientConsent {
  const { kind, version, purposes, signature } = answerTo(needed, choice, null)
  return { kind, version, digest: needed.text.digest ?? '', purposes, signature }
}
