import { shallowRef } from "vue";
import { consultations } from "@/api";

const known = shallowRef<Map<string, { text: string; red: boolean }>>(new Map());
let asked = false;

export async function loadQuestions(): Promise<void> {
  if (asked) return;
  asked = true;
  try {
    const list = await consultations.questions();
    known.value = new Map(list.map((one) => [one.id, { text: one.text, red: one.red_flag }]));
  } catch {
    asked = false;
  }
}

export const questionText = (id: string): { text: string; red: boolean } =>
  known.value.get(id) ?? { text: id, red: false };
