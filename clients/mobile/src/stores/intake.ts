import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { catalogue, consultations, newIntention } from '@/api'
import { ApiError } from '@/api/problem'
import { consents, type NeededConsent } from '@/api/rights'
import type { Consultation, ConsultationNotice, DoctorProfile, IntakeQuestion } from '@/api/types'
import {
  markSent,
  newDraft,
  resume,
  unsent,
  wishFor,
  wishOf,
  type IntakeDraft,
  type Wish,
} from '@/logic/intake'
import { storage } from '@/platform/storage'

const SAVE_AFTER_MS = 600
const RETRY_AFTER_MS = 5000

/** The application for a consultation that is being filled in. */
export const useIntake = defineStore('intake', () => {
  const draft = ref<IntakeDraft>(newDraft(wishFor('', 'text')))
  const consultation = shallowRef<Consultation | null>(null)
  const doctor = shallowRef<DoctorProfile | null>(null)
  const questions = shallowRef<IntakeQuestion[]>([])
  const notice = shallowRef<ConsultationNotice | null>(null)
  /** Texts that must still be agreed to for this patient. */
  const needed = shallowRef<NeededConsent[]>([])
  const saving = ref<'saved' | 'saving' | 'unsaved'>('saved')
  let timer: ReturnType<typeof setTimeout> | null = null
  let running: Promise<void> | null = null
  let intention = newIntention()
  let intended = ''

  const keyOf = (wish: Wish): string =>
    wish.kind === 'revisit' && !wish.shiftId
      ? `intake.${wish.doctorId}.${wish.mode}`
      : `intake.${wish.doctorId || wish.departmentId}.${wish.kind}.${wish.mode}.${wish.shiftId}`
  const service = computed(() =>
    doctor.value?.services.find(
      (one) => one.kind === draft.value.kind && one.mode === draft.value.mode && one.enabled,
    ),
  )
  const redFlags = computed(() =>
    questions.value.filter((one) => one.red_flag && draft.value.answers[one.id] === true),
  )

  function keep(): void {
    storage.set(keyOf(draft.value), draft.value)
  }

  async function loadTexts(): Promise<void> {
    const [found, asked, told] = await Promise.all([
      !draft.value.doctorId
        ? null
        : doctor.value?.id === draft.value.doctorId
          ? doctor.value
          : catalogue.doctor(draft.value.doctorId),
      questions.value.length ? questions.value : consultations.questions(),
      notice.value ?? consultations.notice(),
    ])
    doctor.value = found
    questions.value = asked
    notice.value = told
  }

  async function loadNeeded(): Promise<void> {
    const all = await consents.needed(draft.value.patientId)
    needed.value = all.filter((one) => !one.given)
  }

  /** Begins with a doctor, or goes on where the person stopped on this device. */
  async function openFor(wish: Wish): Promise<void> {
    const stored = storage.get<IntakeDraft>(keyOf(wish))
    if (keyOf(draft.value) !== keyOf(wish)) {
      // What was kept by an older version of the app knows less of the wish.
      draft.value = stored ? { ...newDraft(wish), ...stored } : newDraft(wish)
      consultation.value = null
    }
    if (draft.value.consultationId) {
      try {
        await takeUp(await consultations.get(draft.value.consultationId))
        if (consultation.value?.state !== 'draft') startOver(wish)
      } catch (error) {
        // A draft that was deleted elsewhere starts over with what was typed here.
        if (!(error instanceof ApiError) || error.status !== 404) throw error
        draft.value = { ...draft.value, consultationId: '', sent: newDraft(wish).sent }
      }
    }
    await loadTexts()
  }

  async function openById(id: string): Promise<void> {
    await takeUp(await consultations.get(id))
    await loadTexts()
  }

  function startOver(wish: Wish): void {
    draft.value = newDraft(wish)
    consultation.value = null
  }

  async function takeUp(found: Consultation): Promise<void> {
    const stored =
      draft.value.consultationId === found.id
        ? draft.value
        : storage.get<IntakeDraft>(keyOf(wishOf(found)))
    consultation.value = found
    draft.value = resume(stored, found)
    if (unsent(draft.value)) touch()
  }

  /** The person typed: kept at once, sent soon. */
  function change(part: Partial<IntakeDraft>): void {
    draft.value = { ...draft.value, ...part }
    keep()
    touch()
  }

  function touch(after = SAVE_AFTER_MS): void {
    if (!draft.value.consultationId || !unsent(draft.value)) return
    saving.value = saving.value === 'unsaved' ? 'unsaved' : 'saving'
    if (timer) clearTimeout(timer)
    timer = setTimeout(() => void flush().catch(() => undefined), after)
  }

  /** Sends what the server does not have; rejects when it could not. */
  async function flush(): Promise<void> {
    if (timer) clearTimeout(timer)
    timer = null
    while (running) await running.catch(() => undefined)
    const change = unsent(draft.value)
    if (!draft.value.consultationId || !change) {
      saving.value = 'saved'
      return
    }
    const taken = draft.value
    saving.value = 'saving'
    running = consultations
      .update(taken.consultationId, change)
      .then((found) => {
        consultation.value = found
        draft.value = markSent(draft.value, taken)
        keep()
        saving.value = unsent(draft.value) ? 'saving' : 'saved'
      })
      .finally(() => (running = null))
    try {
      await running
    } catch (error) {
      saving.value = 'unsaved'
      if (error instanceof ApiError && error.temporary) touch(RETRY_AFTER_MS)
      throw error
    }
  }

  /** Makes the draft on the server once person and purpose are known. */
  async function ensureDraft(): Promise<Consultation> {
    const now = draft.value
    const same =
      consultation.value &&
      consultation.value.id === now.consultationId &&
      consultation.value.patient.id === now.patientId &&
      (now.kind !== 'revisit' || consultation.value.purpose === now.purpose)
    if (same && consultation.value) return consultation.value
    const old = now.consultationId
    const body = {
      patient_id: now.patientId,
      doctor_id: now.doctorId || null,
      department_id: now.departmentId || null,
      kind: now.kind,
      mode: now.mode,
      purpose: now.purpose || 'revisit',
      shift_id: now.shiftId || null,
    }
    // A retry of the same request carries the same key; another request gets another.
    const wanted = JSON.stringify(body)
    if (intended !== wanted) {
      intended = wanted
      intention = newIntention()
    }
    const made = await consultations.create(body, intention)
    intended = ''
    consultation.value = made
    // What was typed for the earlier choice belongs to the new draft too.
    draft.value = { ...now, consultationId: made.id, sent: newDraft(now).sent }
    keep()
    if (unsent(draft.value)) touch(0)
    if (old && old !== made.id) void consultations.remove(old).catch(() => undefined)
    return made
  }

  function setConsultation(found: Consultation): void {
    consultation.value = found
  }

  /** Submitted: nothing of the draft stays on the device. */
  function finish(): void {
    storage.remove(keyOf(draft.value))
    startOver(wishFor('', 'text'))
  }

  return {
    draft,
    consultation,
    doctor,
    questions,
    notice,
    needed,
    loadNeeded,
    saving,
    service,
    redFlags,
    openFor,
    openById,
    change,
    flush,
    ensureDraft,
    setConsultation,
    finish,
  }
})
