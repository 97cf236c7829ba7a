import type { Phrase } from '@/api/types'

/** Full and half width, upper and lower case make no difference. */
const plain = (text: string): string => text.normalize('NFKC').toLowerCase()

/** The phrases that hold every word of what was typed, in their text or category. */
export function phrasesFor(list: readonly Phrase[], typed: string): Phrase[] {
  const words = plain(typed).split(/\s+/).filter(Boolean)
  return list.filter((one) => {
    const text = plain(`${one.category} ${one.text}`)
    return words.every((word) => text.includes(word))
  })
}

/** What is offered while somebody types: phrases that hold what stands there, and more. */
export function suggestions(list: readonly Phrase[], typed: string, most = 3): Phrase[] {
  const part = plain(typed.trim())
  if (part.length < 2 || typed.includes('\n')) return []
  return list
    .filter((one) => plain(one.text).includes(part) && plain(one.text) !== part)
    .slice(0, most)
}

/** The order after one phrase has gone a step up (-1) or down (1) within its category. */
export function moved(list: readonly Phrase[], id: string, step: -1 | 1): string[] {
  const ids = list.map((one) => one.id)
  const at = ids.indexOf(id)
  const category = list[at]?.category
  let other = at + step
  while (list[other] && list[other]?.category !== category) other += step
  const mine = ids[at]
  const theirs = ids[other]
  if (mine === undefined || theirs === undefined) return ids
  ids[at] = theirs
  ids[other] = mine
  return ids
}
