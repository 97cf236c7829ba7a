/** Base64 and UTF-8 by hand: mini-programs have neither `btoa` nor `TextEncoder`. */

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export function utf8(text: string): number[] {
  const escaped = encodeURIComponent(text);
  const bytes: number[] = [];
  for (let i = 0; i < escaped.length; i += 1) {
    if (escaped[i] === "%") {
      bytes.push(parseInt(escaped.slice(i + 1, i + 3), 16));
      i += 2;
    } else {
      bytes.push(escaped.charCodeAt(i));
    }
  }
  return bytes;
}

export function base64(bytes: ArrayLike<number>): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const [a, b, c] = [bytes[i] as number, bytes[i + 1], bytes[i + 2]];
    text += LETTERS[a >> 2];
    text += LETTERS[((a & 3) << 4) | ((b ?? 0) >> 4)];
    text += b === undefined ? "=" : LETTERS[((b & 15) << 2) | ((c ?? 0) >> 6)];
    text += c === undefined ? "=" : LETTERS[c & 63];
  }
  return text;
}
