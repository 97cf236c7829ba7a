import { shallowRef } from "vue";
import { listOf, phrases } from "@/api";
import type { Phrase } from "@/api/types";

/** The doctor's own phrases, loaded once and kept up to date by the page that edits them. */
export const phraseList = shallowRef<Phrase[] | null>(null);

export async function loadPhrases(again = false): Promise<void> {
  if (phraseList.value && !again) return;
  try {
    phraseList.value = listOf(await phrases.list());
  } catch (error) {
    if (again) throw error;
  }
}

/** Full and half width, upper and lower case make no difference. */
const plain = (text: string) => text.normalize("NFKC").toLowerCase();

/** The phrases that hold every word of what was typed, in their text or category. */
export function phrasesFor(list: readonly Phrase[], typed: string): Phrase[] {
  const words = plain(typed).split(/\s+/).filter(Boolean);
  return list.filter((phrase) => {
    const text = plain(`${phrase.category} ${phrase.text}`);
    return words.every((word) => text.includes(word));
  });
}

/** What is offered while somebody types: phrases that go on from, or around, what stands there. */
export function suggestions(list: readonly Phrase[], typed: string, most = 4): Phrase[] {
  const part = plain(typed.trim());
  if (part.length < 2 || typed.includes("\n")) return [];
  return list
    .filter((phrase) => plain(phrase.text).includes(part) && plain(phrase.text) !== part)
    .slice(0, most);
}

/** The order after one phrase has gone a step up (-1) or down (1) within its category. */
export function moved(list: readonly Phrase[], id: string, step: -1 | 1): string[] {
  const ids = list.map((phrase) => phrase.id);
  const at = ids.indexOf(id);
  const category = list[at]?.category;
  let other = at + step;
  while (list[other] && list[other]?.category !== category) other += step;
  if (at < 0 || !list[other]) return ids;
  [ids[at], ids[other]] = [ids[other] as string, ids[at] as string];
  return ids;
}
