/** At most so long before its end a token is replaced. */
const LEAD_MS = 60_000;

/**
 * How long until the token should be replaced, in ms: a quarter of its life before its end, at most a minute.
 * Null for a token that does not say when it ends. A clock that contradicts the token (which the server has
 * just taken) is not believed.
 */
export function pauseBeforeRenewal(token: string, now = Date.now()): number | null {
  const claims = claimsOf(token);
  const begin = claims?.["iat"];
  const end = claims?.["exp"];
  if (typeof begin !== "number" || typeof end !== "number" || end <= begin) return null;
  const life = (end - begin) * 1000;
  let left = end * 1000 - now;
  if (left <= 0 || left > life) left = life;
  return Math.max(0, left - Math.min(LEAD_MS, life / 4));
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** By hand: mini-programs have no `atob`. The claims that matter are ASCII. */
function claimsOf(token: string): Record<string, unknown> | null {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const letter of token.split(".")[1] ?? "") {
    const value = ALPHABET.indexOf(letter);
    if (value < 0) return null;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      text += String.fromCharCode((held >> bits) & 0xff);
    }
  }
  try {
    return JSON.parse(text) as Record<string, unknown> | null;
  } catch {
    return null;
  }
}
