import { reactive } from "vue";

/** The question for a second factor that lies over the page, for everybody who waits for it. */
export const factorQuestion = reactive({ open: false });

let waiting: Promise<boolean> | null = null;
let answer: (proved: boolean) => void = () => undefined;

/** Asks for a second factor; false when the person closes the question. */
export function askFactor(): Promise<boolean> {
  waiting ??= new Promise<boolean>((resolve) => {
    factorQuestion.open = true;
    answer = resolve;
  }).finally(() => {
    waiting = null;
    factorQuestion.open = false;
  });
  return waiting;
}

export function answerFactor(proved: boolean): void {
  answer(proved);
}
