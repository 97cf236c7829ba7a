import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { hooks, http, withQuery } from "@/api/http";
import { Problem } from "@/api/problem";
import type { Tokens } from "@/api/types";
import { session } from "@/session";

const tokens = (access_token: string, expires_in = 600): Tokens => ({
  access_token,
  expires_in,
  refresh_token: `refresh-${access_token}`,
  session_id: "s",
  role: "doctor",
  user: { id: "u", name: "陈安和", phone_masked: null, real_name_verified: true, avatar: null },
  hospital: { id: "h", name: "医院" },
  roles: [],
  owes: [],
  idle_seconds: 1800,
});

const answer = (status: number, body: unknown) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
const problem = (status: number, code: string, more: object = {}) =>
  answer(status, { status, code, title: code, ...more });

let calls: { path: string; token: string | null; key: string | null }[];
let reply: (path: string, token: string | null) => Response;

beforeEach(() => {
  localStorage.clear();
  calls = [];
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    const headers = init.headers as Record<string, string>;
    const token = headers["Authorization"]?.replace("Bearer ", "") ?? null;
    const path = url.replace("/api/v1", "");
    calls.push({ path, token, key: headers["Idempotency-Key"] ?? null });
    return Promise.resolve(reply(path, token));
  });
  session.begin(tokens("old"));
});
afterEach(() => vi.unstubAllGlobals());

describe("requests", () => {
  it("renew an expired token once for all who wait, and go on", async () => {
    reply = (path, token) => {
      if (path === "/auth/refresh") return answer(200, tokens("new"));
      return token === "new" ? answer(200, { ok: true }) : problem(401, "token_expired");
    };
    const renewed = vi.fn();
    hooks({ logout: () => undefined, renewed });
    await Promise.all([http.get("/a"), http.get("/b"), http.get("/c")]);
    expect(calls.filter((call) => call.path === "/auth/refresh")).toHaveLength(1);
    expect(renewed).toHaveBeenCalledWith("new");
  });

  it("renew a token before it runs out", async () => {
    session.begin(tokens("short", 10));
    reply = (path) => answer(200, path === "/auth/refresh" ? tokens("new") : {});
    await http.get("/a");
    expect(calls.map((call) => call.path)).toEqual(["/auth/refresh", "/a"]);
  });

  it("take the token that another tab renewed instead of using the refresh token again", async () => {
    session.begin(tokens("short", 10));
    const stored = { ...tokens("theirs"), expires_at: Date.now() + 600_000 };
    localStorage.setItem("zhenjian.session", JSON.stringify(stored));
    reply = () => answer(200, {});
    await http.get("/a");
    expect(calls).toEqual([{ path: "/a", token: "theirs", key: null }]);
  });

  it("leave a desk locked that was locked while its token was renewed", async () => {
    session.begin(tokens("short", 10));
    reply = (path) => {
      if (path === "/auth/refresh") session.lock();
      return answer(200, path === "/auth/refresh" ? tokens("new") : {});
    };
    await expect(http.get("/a")).rejects.toMatchObject({ code: "unauthenticated" });
    expect(session.locked).toBe(true);
  });

  it("end the session when it was revoked", async () => {
    reply = () => problem(401, "session_revoked");
    const logout = vi.fn();
    hooks({ logout, renewed: () => undefined });
    await expect(http.get("/a")).rejects.toMatchObject({ code: "session_revoked" });
    expect(logout).toHaveBeenCalledWith("session_revoked");
  });

  it("ask once for a second factor, then repeat everything with the same keys", async () => {
    let proved = false;
    reply = () => (proved ? answer(201, { ok: true }) : problem(403, "second_factor_required"));
    const owed = vi.fn(() => {
      proved = true;
      return Promise.resolve(true);
    });
    hooks({ logout: () => undefined, renewed: () => undefined, owed });
    await http.post("/sign", {}, { idempotent: "k1" });
    expect(owed).toHaveBeenCalledWith("second_factor_required");
    expect(calls.map((call) => call.key)).toEqual(["k1", "k1"]);
  });

  it("hand the refusal on when nobody wants to prove anything", async () => {
    reply = () => problem(403, "second_factor_required");
    hooks({
      logout: () => undefined,
      renewed: () => undefined,
      owed: () => Promise.resolve(false),
    });
    await expect(http.get("/a")).rejects.toMatchObject({ code: "second_factor_required" });
    expect(calls).toHaveLength(1);
  });

  it("keep the idempotency key when they are repeated with a new token", async () => {
    reply = (path, token) => {
      if (path === "/auth/refresh") return answer(200, tokens("new"));
      return token === "new" ? answer(201, {}) : problem(401, "token_expired");
    };
    await http.post("/phrases", {});
    const keys = calls.filter((call) => call.path === "/phrases").map((call) => call.key);
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
  });

  it("carry the server's reason, and the field's before the general one", async () => {
    reply = () =>
      problem(422, "invalid", {
        fields: [{ field: "text", message: "请填写内容" }],
        request_id: "r1",
      });
    const error = (await http.get("/a").catch((caught: unknown) => caught)) as Problem;
    expect(error).toBeInstanceOf(Problem);
    expect(error.text).toBe("请填写内容");
    expect(error.requestId).toBe("r1");
  });

  it("tell a lost network from a refusal", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
    const error = (await http.get("/a").catch((caught: unknown) => caught)) as Problem;
    expect(error.offline).toBe(true);
  });

  it("leave empty filters out of the address", () => {
    expect(withQuery("/c", { q: "", state: "ended", cursor: null })).toBe("/c?state=ended");
    expect(withQuery("/c")).toBe("/c");
  });
});
