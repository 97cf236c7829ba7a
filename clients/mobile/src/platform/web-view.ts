import { auth } from '@/api'
import { serverOrigin } from '.'
import { go, here, replace } from './nav'

/** The page that logs in with the code; it stands in the fragment, which no server and no log sees. */
export const LANDING = '/pages/web/landing'

/** The address of one of our pages on the web, for somebody who holds a code. */
export function landingAddress(origin: string, code: string, next: string): string {
  const query = `code=${encodeURIComponent(code)}&next=${encodeURIComponent(next)}`
  return `${origin}/m/#${LANDING}?${query}`
}

/** Opens a page of ours in the mini-program's web view, where cameras and calls work. */
export function openOnTheWeb(path: string, instead = false): void {
  const open = instead ? replace : go
  open('/pages/web/index', { next: path })
}

/** Where the web view goes: the page with a fresh code of the person who is logged in. */
export async function addressOnTheWeb(next: string): Promise<string> {
  const { code } = await auth.webView()
  return landingAddress(serverOrigin(), code, next)
}

/** Whether the web view is in front already: it rings by itself. */
export function onTheWeb(): boolean {
  return here().startsWith('/pages/web/')
}

/** Only pages of our own may follow the login. */
export function ownPage(next: string): string {
  return /^\/(pages|clinician)\/[a-z-]+\/[a-z-]+(\?[^#]*)?$/.test(next) ? next : ''
}
