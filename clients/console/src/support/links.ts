import { reactive } from "vue";
import { files } from "@/api";
import type { FileLink } from "@/api/types";

/** Short-lived links to files, asked for in one request per tick and renewed before they run out. */
const known = reactive(new Map<string, FileLink>());
const denied = reactive(new Set<string>());
let wanted = new Set<string>();
let asking = false;

const EARLY_MS = 20_000;

function valid(link: FileLink | undefined): link is FileLink {
  return link !== undefined && Date.parse(link.expires_at) - Date.now() > EARLY_MS;
}

/** The link when it is there; otherwise it is asked for and the caller's render runs again. */
export function fileLink(id: string): FileLink | null {
  const link = known.get(id);
  if (valid(link)) return link;
  want(id);
  return link ?? null;
}

export const isDenied = (id: string): boolean => denied.has(id);

/** A link that is valid right now. */
export async function freshLink(id: string): Promise<FileLink | null> {
  const link = known.get(id);
  if (valid(link)) return link;
  const answer = await files.links([id]);
  const fresh = answer[id];
  if (fresh) known.set(id, fresh);
  return fresh ?? null;
}

function want(id: string): void {
  wanted.add(id);
  if (!asking) {
    asking = true;
    queueMicrotask(() => void ask());
  }
}

async function ask(): Promise<void> {
  const ids = [...wanted];
  wanted = new Set();
  try {
    const answer = await files.links(ids);
    for (const id of ids) {
      const link = answer[id];
      if (link) known.set(id, link);
      else denied.add(id);
    }
  } catch {
    // The picture stays a placeholder; the next render asks again.
  } finally {
    asking = false;
    if (wanted.size > 0) want([...wanted][0] as string);
  }
}
