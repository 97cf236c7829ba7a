import { defineStore } from 'pinia'
import { reactive } from 'vue'
import { files } from '@/api'
import type { FileLink } from '@/api/types'
import { absolute } from '@/platform'

/** Links to stored files: asked in groups, kept until shortly before they expire. */
export const useLinks = defineStore('links', () => {
  const known = reactive(new Map<string, FileLink>())
  const failed = reactive(new Set<string>())
  const wanted = new Set<string>()
  let timer: ReturnType<typeof setTimeout> | null = null

  const MARGIN_MS = 30_000
  const valid = (link: FileLink | undefined): boolean =>
    link !== undefined && Date.parse(link.expires_at) - Date.now() > MARGIN_MS

  /** Asks for the link of a file soon; many at once make one request. */
  function want(id: string): void {
    if (valid(known.get(id)) || wanted.has(id)) return
    wanted.add(id)
    timer ??= setTimeout(() => void fetchWanted(), 30)
  }

  async function fetchWanted(): Promise<void> {
    timer = null
    const ids = [...wanted].slice(0, 100)
    ids.forEach((id) => wanted.delete(id))
    try {
      const found = await files.links(ids)
      for (const id of ids) {
        const link = found[id]
        if (link) {
          known.set(id, link)
          failed.delete(id)
        } else failed.add(id)
      }
    } catch {
      ids.forEach((id) => failed.add(id))
    }
    if (wanted.size) timer ??= setTimeout(() => void fetchWanted(), 30)
  }

  function thumbnail(id: string): string {
    const link = known.get(id)
    return link ? absolute(link.thumbnail_url ?? link.url) : ''
  }

  /** A link that works now. */
  async function urlOf(id: string): Promise<string> {
    const now = known.get(id)
    if (now && valid(now)) return absolute(now.url)
    const found = await files.links([id])
    const link = found[id]
    if (!link) return ''
    known.set(id, link)
    return absolute(link.url)
  }

  return { known, failed, want, thumbnail, urlOf }
})
