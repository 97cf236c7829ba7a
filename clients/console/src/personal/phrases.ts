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
