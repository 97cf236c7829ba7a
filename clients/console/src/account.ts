import type { Role } from "@zhenjian/realtime";
import { auth } from "@/api";
import { hooks } from "@/api/http";
import type { Tokens } from "@/api/types";
import { rooms, startRealtime, stopRealtime } from "@/realtime";
import { router } from "@/router";
import { askFactor } from "@/security/factor";
import { session } from "@/session";
import { warn } from "@/support/feedback";

const ENDINGS: Record<string, string> = {
  session_revoked: "这台设备的登录已被撤销，请重新登录",
  account_disabled: "账号已停用，请联系管理员",
  session_over: "登录已达最长时间，请重新登录",
};

/** The session is over: what is on screen waits under a lock when only the person was away. */
function over(code: string): void {
  if (code === "session_idle" && session.tokens) session.lock();
  else if (!session.locked) void leave(ENDINGS[code] ?? "登录已过期，请重新登录");
}

async function settle(code: string): Promise<boolean> {
  if (code === "second_factor_required") return askFactor();
  await leave(null);
  return false;
}

hooks({
  logout: over,
  owed: settle,
  renewed: (token) => {
    if (session.tokens) void renewSocket(token);
  },
});

async function renewSocket(token: string): Promise<void> {
  try {
    await rooms().renew(token);
  } catch {
    // Not connected: the next attempt to connect uses the new token.
  }
}

export function openConnection(): void {
  startRealtime({
    revoked: (code) => {
      if (code === "second_factor_required") void askFactor().then((done) => done && reconnect());
      else over(code);
    },
    problem: warn,
  });
}

function reconnect(): void {
  rooms().connect();
}

/** Somebody has logged in on a locked page: its owner goes on where everything stood. */
export async function resume(owner: string | null): Promise<void> {
  if (session.user?.id === owner) {
    reconnect();
    return;
  }
  await router.replace({ name: "home" });
  location.reload();
}

export async function enter(tokens: Tokens, next: string | null): Promise<void> {
  session.begin(tokens);
  if (tokens.owes.length > 0) return;
  await arrive(next);
}

/** Everything that was owed is settled. */
export async function arrive(next: string | null): Promise<void> {
  await router.replace(next && next.startsWith("/") ? next : { name: "home" });
}

export async function leave(reason: string | null): Promise<void> {
  if (!session.tokens && router.currentRoute.value.name === "login") return;
  stopRealtime();
  const here = router.currentRoute.value;
  session.end(reason);
  const next =
    reason && here.name !== "login" && here.fullPath !== "/" ? { next: here.fullPath } : {};
  await router.replace({ name: "login", query: next });
}

export async function logout(): Promise<void> {
  try {
    await auth.logout();
  } finally {
    await leave(null);
  }
}

export async function changeRole(role: Role, hospital: string): Promise<void> {
  const tokens = await auth.changeRole(role, hospital);
  stopRealtime();
  session.begin(tokens);
  await router.replace(tokens.owes.length > 0 ? { name: "login" } : { name: "home" });
  // Everything on screen belonged to the other role.
  location.reload();
}
