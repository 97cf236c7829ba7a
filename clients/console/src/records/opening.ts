import { inject, provide, ref, watch, type InjectionKey, type Ref } from "vue";

export const PRESCRIPTION_CARD = "past_prescription";

const OPEN: InjectionKey<(number: string) => void> = Symbol("past prescription");

type Body = Record<string, unknown> | null;

/** What the card says: which prescription, and nothing of what is in it. */
export function cardOf(row: { prescription_no: string; issued_on: string }) {
  return {
    type: PRESCRIPTION_CARD,
    ref: row.prescription_no,
    title: `历史处方 ${row.issued_on}`,
  };
}

/** The number of the prescription that a card names; null for any other card. */
export function prescriptionOf(body: Body): string | null {
  return body?.["type"] === PRESCRIPTION_CARD ? String(body["ref"] ?? "") || null : null;
}

/** Lets the cards of a room open: the number that was pressed, to be shown by whoever calls this. */
export function useOpening(room: Ref<string | null>): Ref<string | null> {
  const number = ref<string | null>(null);
  // The number belongs to the patient of the room in which it was pressed.
  watch(room, () => (number.value = null));
  provide(OPEN, (pressed) => (number.value = pressed));
  return number;
}

/** How a card opens here; null where it does not, because nobody may look into the records. */
export function useCardOpener(): (body: Body) => (() => void) | null {
  const open = inject(OPEN, null);
  return (body) => {
    const number = prescriptionOf(body);
    return open && number ? () => open(number) : null;
  };
}
