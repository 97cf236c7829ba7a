import { describe, expect, it } from 'vitest'
import type { NeededConsent } from '@/api/rights'
import { answerTo, complete, consentWith, emptyChoice } from '@/logic/consent'

const text = (more: Partial<NeededConsent['text']> = {}): NeededConsent => ({
  kind: 'sensitive',
  given: false,
  outdated: false,
  may_answer: true,
  text: {
    id: '1',
    kind: 'sensitive',
    version: '1.0',
    title: '同意书',
    summary: '',
    text: '',
    purposes: [
      { code: 'care', title: '诊疗', text: '', required: true },
      { code: 'quality', title: '质量', text: '', required: false },
    ],
    signature_required: false,
    effective_at: null,
    digest: null,
    ...more,
  },
})

describe('consents', () => {
  it('begin with nothing ticked, and the optional may stay so', () => {
    const choice = emptyChoice()
    expect(complete(text(), choice)).toBe(false)
    choice.purposes.quality = true
    expect(complete(text(), choice)).toBe(false)
    choice.purposes = { care: true }
    expect(complete(text(), choice)).toBe(true)
    expect(answerTo(text(), choice, 'p').purposes).toEqual({ care: true, quality: false })
  })

  it('without purposes ask for the text as a whole', () => {
    const plain = text({ purposes: [] })
    expect(complete(plain, emptyChoice())).toBe(false)
    expect(complete(plain, { ...emptyChoice(), agreed: true })).toBe(true)
  })

  it('wait for the handwriting where the text asks for it', () => {
    const signed = text({ signature_required: true })
    const choice = { ...emptyChoice(), purposes: { care: true } }
    expect(complete(signed, choice)).toBe(false)
    expect(complete(signed, { ...choice, signature: 'data:image/png;base64,x' })).toBe(true)
  })

  it('are given by nobody but the guardian, and for an account without a patient', () => {
    const child = { ...text(), may_answer: false }
    expect(complete(child, { ...emptyChoice(), purposes: { care: true } })).toBe(false)
    const agreement = { ...text({ purposes: [] }), kind: 'privacy' as const }
    expect(answerTo(agreement, emptyChoice(), 'p').patient_id).toBeNull()
    expect(answerTo(text(), emptyChoice(), 'p').patient_id).toBe('p')
  })

  it('given with a new patient name the text by its digest and every purpose', () => {
    const choice = { ...emptyChoice(), purposes: { care: true } }
    expect(consentWith(text({ digest: 'abc' }), choice)).toEqual({
      kind: 'sensitive',
      version: '1.0',
      digest: 'abc',
      purposes: { care: true, quality: false },
      signature: null,
    })
  })
})
