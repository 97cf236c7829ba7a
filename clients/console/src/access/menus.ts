/** Which pages this caller is shown, and what he may do: asked at login and when policies change. */
import { computed, shallowReactive } from "vue";
import { own, type Mine, type Scope } from "@/access/api";
import { whenStarted } from "@/realtime";
import { session } from "@/session";
import { pagesOf, type PageEntry } from "@/shell/pages";

/** Without these nobody could be told anything or leave. */
const ALWAYS = ["home", "messages", "profile"];
const STORED = "zhenjian.menus";

const state = shallowReactive<{ mine: Mine | null }>({ mine: remembered() });

/** The last answer, so that a reload does not show a page and take it away again. */
function remembered(): Mine | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(STORED) ?? "null") as {
      key: string;
      mine: Mine;
    } | null;
    return kept && kept.key === keyOf() ? kept.mine : null;
  } catch {
    return null;
  }
}

function keyOf(): string {
  const tokens = session.tokens;
  return [tokens?.user.id, tokens?.role, tokens?.hospital.id].join("|");
}

export async function loadMenus(): Promise<void> {
  try {
    state.mine = await own.mine();
    sessionStorage.setItem(STORED, JSON.stringify({ key: keyOf(), mine: state.mine }));
  } catch {
    // The next change or reload asks again; until then the role's own pages are shown.
  }
}

whenStarted(() => void loadMenus());

/** The pages in the order of the caller's menu. Pages that the policies close are not in it. */
export const shownPages = computed<PageEntry[]>(() => arranged(pagesOf(session.role), state.mine));

export function arranged(pages: PageEntry[], mine: Mine | null): PageEntry[] {
  if (!mine) return pages;
  const open = pages.filter((page) => !page.needs || page.needs in mine.permissions);
  const order = mine.pages;
  if (!order) return open;
  const place = (page: PageEntry) => {
    const found = order.indexOf(page.name);
    return found < 0 ? order.length : found;
  };
  return open
    .filter((page) => order.includes(page.name) || ALWAYS.includes(page.name))
    .sort((left, right) => place(left) - place(right));
}

/** Whether the page with this route name is shown to the caller; routes without a page are. */
export function mayOpen(name: string): boolean {
  const page = pagesOf(session.role).find((one) => one.name === name);
  return !page || shownPages.value.includes(page);
}

export const may = (permission: string): boolean =>
  state.mine === null || permission in state.mine.permissions;

export const scopeOf = (permission: string): Scope => state.mine?.permissions[permission] ?? "none";
