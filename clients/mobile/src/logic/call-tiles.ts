import type { CallParticipant } from '@realtime'

/** What may take the large place: somebody's picture, or the screen that somebody shares. */
export interface Tile {
  key: string
  user: string
  kind: 'person' | 'screen' | 'own'
}

export interface Arrangement {
  main: Tile | null
  /** The tiles of the page of the strip that is shown. */
  strip: readonly Tile[]
  page: number
  pages: number
}

export interface Wanted {
  /** Everybody else who is in the call, in the order of the call. */
  others: readonly Pick<CallParticipant, 'user_id'>[]
  /** Who speaks, or spoke last. */
  speaker: string | null
  /** Who raised a hand, in the order of asking. */
  hands?: readonly string[]
  /** Whether we have a tile: listeners have none. */
  own?: boolean
  /** Who shares a screen. */
  sharer: string | null
  /** What the person tapped on; empty: the screen, else who speaks. */
  pinned: string
  page: number
  perPage: number
}

const person = (user: string): Tile => ({ key: user, user, kind: 'person' })
const OWN: Tile = { key: 'own', user: '', kind: 'own' }

/**
 * Who is shown large and who in the strip. The own picture comes first, then raised hands; a page that is no
 * longer there is the last one.
 */
export function arrange(wanted: Wanted): Arrangement {
  const { others, speaker, sharer, pinned, perPage, hands = [], own = true } = wanted
  const rank = (user: string): number => {
    const at = hands.indexOf(user)
    return at < 0 ? hands.length : at
  }
  const people = others
    .map((one) => person(one.user_id))
    .sort((one, other) => rank(one.user) - rank(other.user))
  const all: Tile[] = [...people]
  if (sharer) all.unshift({ key: 'screen', user: sharer, kind: 'screen' })
  const main =
    all.find((one) => one.key === pinned) ??
    all.find((one) => one.kind === 'screen') ??
    all.find((one) => one.key === speaker) ??
    people[0] ??
    // Alone on the stage of a lecture.
    (own ? OWN : null)
  const rest = [...(own && main !== OWN ? [OWN] : []), ...all.filter((one) => one !== main)]
  const pages = Math.max(1, Math.ceil(rest.length / perPage))
  const page = Math.min(Math.max(0, wanted.page), pages - 1)
  return { main, strip: rest.slice(page * perPage, (page + 1) * perPage), page, pages }
}

/** On how many lines each participant, and the shared screen, is shown: 0 for whoever is not. */
export interface Lines {
  people: Record<string, number>
  screen: number
}

export function linesOf(
  others: readonly Pick<CallParticipant, 'user_id'>[],
  shown: Arrangement | null,
  sizes: { main: number; tile: number },
): Lines {
  const people: Record<string, number> = Object.fromEntries(others.map((one) => [one.user_id, 0]))
  let screen = 0
  const show = (tile: Tile, lines: number): void => {
    if (tile.kind === 'person') people[tile.user] = Math.round(lines)
    else if (tile.kind === 'screen') screen = Math.round(lines)
  }
  if (shown?.main) show(shown.main, sizes.main)
  for (const tile of shown?.strip ?? []) show(tile, sizes.tile)
  return { people, screen }
}

/** Where a picture that is pinched stands: enlarged by `scale`, moved by `x` and `y` pixels. */
export interface Place {
  scale: number
  x: number
  y: number
}

export const UNMOVED: Place = { scale: 1, x: 0, y: 0 }
const LARGEST = 5

/** Keeps a place within 1 to 5 times and the picture over its box. */
export function held(place: Place, box: { width: number; height: number }): Place {
  const scale = Math.min(LARGEST, Math.max(1, place.scale))
  const reach = (length: number): number => (length * (scale - 1)) / 2
  const within = (value: number, most: number): number =>
    Math.min(most, Math.max(-most, value)) || 0
  return { scale, x: within(place.x, reach(box.width)), y: within(place.y, reach(box.height)) }
}

/** The place after a pinch around `centre` (from the middle of the box) by `factor`. */
export function pinched(
  before: Place,
  factor: number,
  centre: { x: number; y: number },
  box: { width: number; height: number },
): Place {
  const scale = Math.min(LARGEST, Math.max(1, before.scale * factor))
  const by = scale / before.scale
  // What lies under the fingers stays there.
  return held(
    {
      scale,
      x: centre.x - (centre.x - before.x) * by,
      y: centre.y - (centre.y - before.y) * by,
    },
    box,
  )
}
