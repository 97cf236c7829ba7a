import { describe, expect, it } from 'vitest'
import type { Consultation, FileRef } from '@/api/types'
import {
  markSent,
  needsGuardian,
  newDraft,
  openStep,
  resume,
  unsent,
  stepsOf,
  wishFor,
} from '@/logic/intake'

const photo = (id: string): FileRef => ({
  id,
  name: `${id}.jpg`,
  kind: 'image',
  content_type: 'image/jpeg',
  size: 1,
  has_thumbnail: true,
})

const onServer = (part: Partial<Consultation> = {}): Consultation =>
  ({
    id: 'c1',
    mode: 'video',
    purpose: 'revisit',
    state: 'draft',
    kind: 'revisit',
    doctor: { id: 'd1' },
    patient: { id: 'p1' },
    description: '头晕三天',
    onset: '三天内',
    answers: { chest_pain: false },
    attachments: [photo('f1')],
    revisit: { status: 'eligible', evidence: [], proof: [] },
    consent: null,
    ...part,
  }) as Consultation

describe('a draft of an application', () => {
  it('has nothing to send right after it was taken from the server', () => {
    expect(unsent(resume(null, onServer()))).toBeNull()
  })

  it('sends only what changed', () => {
    const draft = { ...resume(null, onServer()), description: '头晕四天' }
    expect(unsent(draft)).toEqual({ description: '头晕四天' })
    const more = { ...draft, attachments: [photo('f1'), photo('f2')] }
    expect(unsent(more)).toEqual({ description: '头晕四天', attachment_ids: ['f1', 'f2'] })
  })

  it('does not care in which order questions were answered', () => {
    const draft = resume(null, onServer({ answers: { a: true, b: false } }))
    expect(unsent({ ...draft, answers: { b: false, a: true } })).toBeNull()
  })

  it('keeps what was typed while a save was under way', () => {
    const taken = { ...resume(null, onServer()), description: '头晕四天' }
    const typedOn = { ...taken, description: '头晕四天，加重' }
    expect(unsent(markSent(typedOn, taken))).toEqual({ description: '头晕四天，加重' })
    expect(unsent(markSent(taken, taken))).toBeNull()
  })

  it('survives a reload: typed here and not sent beats the server, the rest is the server’s', () => {
    const here = { ...resume(null, onServer()), description: '头晕四天' }
    const again = resume(here, onServer({ onset: '一周内' }))
    expect(again.description).toBe('头晕四天')
    expect(again.onset).toBe('一周内')
    expect(unsent(again)).toEqual({ description: '头晕四天' })
  })

  it('of another consultation is not mixed in', () => {
    const other = { ...newDraft(wishFor('d1', 'video')), consultationId: 'c0', description: '别的' }
    expect(resume(other, onServer()).description).toBe('头晕三天')
  })

  it('asks for purpose and evidence in a revisit alone', () => {
    expect(stepsOf('revisit')).toContain('check')
    expect(stepsOf('department')).toEqual(['person', 'describe', 'notice', 'confirm'])
    const first = onServer({
      kind: 'first',
      revisit: { status: 'unchecked', evidence: [], proof: [] },
    })
    expect(openStep(first)).toBe('notice')
  })

  it('opens at the first step that is not done', () => {
    const revisit = { status: 'proof_required', evidence: [], proof: [] } as const
    expect(openStep(onServer({ revisit: { ...revisit, evidence: [], proof: [] } }))).toBe('check')
    expect(openStep(onServer({ description: '' }))).toBe('describe')
    expect(openStep(onServer())).toBe('notice')
    expect(
      openStep(onServer({ consent: { version: '1', accepted_at: '', recording_agreed: true } })),
    ).toBe('confirm')
  })
})

describe('a child', () => {
  const guardian = {
    name: '林小满',
    id_number_masked: '1101***********027',
    phone_masked: '138****0001',
    address: '示范市',
    verified: true,
  }

  it('goes on with a verified guardian alone', () => {
    expect(needsGuardian({ kind: 'child', guardian })).toBe(false)
    expect(needsGuardian({ kind: 'child', guardian: { ...guardian, verified: false } })).toBe(true)
    expect(needsGuardian({ kind: 'child', guardian: null })).toBe(true)
    expect(needsGuardian({ kind: 'adult', guardian: null })).toBe(false)
  })
})
