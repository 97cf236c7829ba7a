import { describe, expect, it } from 'vitest'
import { moved, phrasesFor, suggestions } from '@/logic/phrases'

const list = [
  { id: 'a', category: '问候语', text: '您好，我看到您的资料了。' },
  { id: 'b', category: '治疗建议', text: '建议复查CRP和血常规。' },
  { id: 'c', category: '问候语', text: '请稍候，我在看报告。' },
]
const ids = (found: { id: string }[]): string[] => found.map((one) => one.id)

describe('phrases', () => {
  it('are found by any part of their wording, width and case aside', () => {
    expect(ids(phrasesFor(list, 'ｃｒｐ 复查'))).toEqual(['b'])
    expect(ids(phrasesFor(list, '问候'))).toEqual(['a', 'c'])
  })

  it('are offered while two characters of them are typed, but not once they stand there', () => {
    expect(ids(suggestions(list, '资料'))).toEqual(['a'])
    expect(suggestions(list, '我')).toEqual([])
    expect(suggestions(list, '请稍候，我在看报告。')).toEqual([])
  })

  it('change places within their category', () => {
    expect(moved(list, 'c', -1)).toEqual(['c', 'b', 'a'])
    expect(moved(list, 'b', 1)).toEqual(['a', 'b', 'c'])
  })
})
