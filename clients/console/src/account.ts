import type { Role } from "@zhenjian/realtime";
import { auth } from "@/api";
import { hooks } from "@/api/http";
import type { Tokens } from "@/api/types";
import { rooms, startRealtime, stopRealtime } from "@/realtime";
import { router } from "@/router";
import { session } from "@/session";
import { warn } from "@/support/feedback";

const ENDINGS: Record<string, string> = {
  session_revoked: "这台设备的登录已被撤销，请重新登录",
  account_disabled: "账号已停用，请联系管理员",
};

hooks({
  logout: (code) => void leave(ENDINGS[code] ?? "登录已过期，请重新登录"),
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
    revoked: (code) => void leave(ENDINGS[code] ?? "登录已过期，请重新登录"),
    problem: warn,
  });
}

export async function enter(tokens: Tokens, next: string | null): Promise<void> {
  session.begin(tokens);
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
  await router.replace({ name: "home" });
  // Everything on screen belonged to the other role.
  location.reload();
}
