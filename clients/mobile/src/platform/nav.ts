import { queryString, type QueryValue } from '@/api/http'
import { isH5 } from '.'

type Query = Record<string, QueryValue>

const HOME = '/pages/home/index'
const RECEPTION = '/clinician/reception/index'

export function pageUrl(path: string, query?: Query): string {
  return path + queryString(query)
}

export function go(path: string, query?: Query): void {
  uni.navigateTo({ url: pageUrl(path, query) })
}

export function replace(path: string, query?: Query): void {
  uni.redirectTo({ url: pageUrl(path, query) })
}

/** Starts a fresh stack: for tabs, login and logout. */
export function restart(path: string, query?: Query): void {
  uni.reLaunch({ url: pageUrl(path, query) })
}

export function homeOf(clinician: boolean): string {
  return clinician ? RECEPTION : HOME
}

/** One page back; a page that was opened by its address goes to `fallback`. */
export function back(fallback = HOME): void {
  if (getCurrentPages().length > 1) uni.navigateBack({ delta: 1 })
  else restart(fallback)
}

/** Path and query of the page in front, to come back to it. */
export function here(): string {
  const pages = getCurrentPages()
  const page = pages[pages.length - 1] as
    | { route?: string; $page?: { fullPath?: string } }
    | undefined
  return page?.$page?.fullPath ?? (page?.route ? `/${page.route}` : HOME)
}

export function openPath(fullPath: string): void {
  uni.reLaunch({ url: fullPath })
}

/** Writes filters into the address without leaving the page, so that a reload or a link keeps them. */
export function keepInAddress(path: string, query: Query): void {
  if (!isH5) return
  const { pathname, search } = window.location
  window.history.replaceState(
    window.history.state,
    '',
    `${pathname}${search}#${pageUrl(path, query)}`,
  )
}

/**
 * A link to the same page with another subject, opened in this tab, changes the address alone: then
 * the page is loaded anew. `names` are the parameters that say what the page is about. Returns what
 * ends the watching.
 */
export function onOtherAddress(path: string, names: readonly string[]): () => void {
  if (!isH5) return () => undefined
  const subject = (): string | null => {
    const [page, query = ''] = window.location.hash.slice(1).split('?')
    const given = new URLSearchParams(query)
    return page === path ? names.map((name) => given.get(name) ?? '').join(' ') : null
  }
  const mine = subject()
  let stopped = false
  const changed = (): void => {
    // Going back ends this page first: then it has nothing to say any more.
    setTimeout(() => {
      const now = subject()
      if (!stopped && now !== null && mine !== null && now !== mine) window.location.reload()
    }, 50)
  }
  window.addEventListener('hashchange', changed)
  return () => {
    stopped = true
    window.removeEventListener('hashchange', changed)
  }
}

/** Opens another site (the cashier) in the same window. */
export function leaveFor(url: string): void {
  if (isH5) window.location.href = url
}

/** The absolute address of one of our pages. */
export function addressOf(path: string, query?: Query): string {
  if (!isH5) return pageUrl(path, query)
  const { origin, pathname } = window.location
  return `${origin}${pathname}#${pageUrl(path, query)}`
}

/** One value of a page's query; mini-programs hand it over still encoded. */
export function param(query: Record<string, string | undefined> | undefined, name: string): string {
  const value = query?.[name]
  if (typeof value !== 'string') return ''
  if (isH5) return value
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
