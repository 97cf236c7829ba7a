import type { Role } from "@zhenjian/realtime";
import { newClientId } from "@zhenjian/realtime";
import { computed, reactive } from "vue";
import type { Owed, Tokens } from "@/api/types";

const STORED = "zhenjian.session";
/** Set while the tabs of this browser wait for the same person to log in again. */
const LOCKED = "zhenjian.locked";
const DEVICE = "zhenjian.device";

interface Stored extends Tokens {
  /** Milliseconds since 1970. */
  expires_at: number;
}

const state = reactive<{ tokens: Stored | null; ended: string | null; locked: boolean }>({
  tokens: load(),
  locked: false,
  /** Why the last session ended, shown on the login page. */
  ended: null,
});

function load(): Stored | null {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? "null") as Stored | null;
  } catch {
    return null;
  }
}

// Another tab logged in, out, or changed the role: the tabs of one browser are one session.
window.addEventListener("storage", (event) => {
  if (event.key !== STORED) return;
  const before = state.tokens;
  const stored = load();
  if (before && !stored && localStorage.getItem(LOCKED)) {
    // What is typed here stays under the lock.
    state.locked = true;
    return;
  }
  state.tokens = stored;
  state.locked = false;
  const same = before?.user.id === state.tokens?.user.id && before?.role === state.tokens?.role;
  if (!same) location.reload();
});

export const session = {
  get tokens() {
    return state.tokens;
  },
  get ended() {
    return state.ended;
  },
  /** The login has ended, the page stays below a screen that hides it. */
  get locked() {
    return state.locked;
  },
  get user() {
    return state.tokens?.user ?? null;
  },
  get role(): Role | null {
    return state.tokens?.role ?? null;
  },
  /** The newest tokens, also when another tab renewed them a moment ago. */
  reread(): Stored | null {
    const stored = load();
    if (state.locked) return null;
    if (stored && stored.access_token !== state.tokens?.access_token) state.tokens = stored;
    return state.tokens;
  },
  begin(tokens: Tokens): void {
    state.tokens = { ...tokens, expires_at: Date.now() + tokens.expires_in * 1000 };
    state.ended = null;
    state.locked = false;
    localStorage.removeItem(LOCKED);
    localStorage.setItem(STORED, JSON.stringify(state.tokens));
  },
  /** Nobody was there for too long: the tokens go, what is on screen waits for its owner. */
  lock(): void {
    if (!state.tokens) return;
    state.locked = true;
    localStorage.setItem(LOCKED, "1");
    localStorage.removeItem(STORED);
  },
  settled(what: Owed): void {
    if (!state.tokens) return;
    const owes = (state.tokens.owes ?? []).filter((one) => one !== what);
    state.tokens = { ...state.tokens, owes };
    localStorage.setItem(STORED, JSON.stringify(state.tokens));
  },
  changeUser(user: Tokens["user"]): void {
    if (!state.tokens) return;
    state.tokens = { ...state.tokens, user };
    localStorage.setItem(STORED, JSON.stringify(state.tokens));
  },
  end(reason: string | null): void {
    state.tokens = null;
    state.ended = reason;
    state.locked = false;
    localStorage.removeItem(LOCKED);
    localStorage.removeItem(STORED);
  },
};

export const loggedIn = computed(() => state.tokens !== null);

/** Stable id of this browser. */
export function deviceId(): string {
  let id = localStorage.getItem(DEVICE);
  if (!id) {
    id = newClientId();
    localStorage.setItem(DEVICE, id);
  }
  return id;
}

export function deviceName(): string {
  const agent = navigator.userAgent;
  const browser = /Edg\//.test(agent)
    ? "Edge"
    : /Firefox\//.test(agent)
      ? "Firefox"
      : /Chrome\//.test(agent)
        ? "Chrome"
        : /Safari\//.test(agent)
          ? "Safari"
          : "浏览器";
  const system = /Windows/.test(agent)
    ? "Windows"
    : /Android/.test(agent)
      ? "Android"
      : /iPhone|iPad/.test(agent)
        ? "iOS"
        : /Mac OS/.test(agent)
          ? "macOS"
          : "Linux";
  return `${browser} · ${system}`;
}

/** Whether the person at the desk has a reception of patients. */
export const treats = (): boolean =>
  (["doctor", "pharmacist", "nurse"] as (Role | null)[]).includes(session.role);
