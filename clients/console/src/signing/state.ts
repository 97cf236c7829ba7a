/** The own signature, shared by everything that shows or uses it, and kept fresh by live hints. */
import { reactive, shallowRef } from "vue";
import { asProblem, type Problem } from "@/api/problem";
import { rooms } from "@/realtime";
import { session as login } from "@/session";
import { debounced } from "@/support/async";
import { signing, type Confirmation, type OwnSignature } from "@/signing/api";

export const own = shallowRef<OwnSignature | null>(null);
export const ownProblem = shallowRef<Problem | null>(null);

/** A signing session lives in this window alone: the token is nowhere else. */
export const signingSession = reactive<{ confirmation: Confirmation | null }>({
  confirmation: null,
});

export const maySign = (): boolean =>
  login.role === "doctor" || login.role === "pharmacist" || login.role === "nurse";

export async function reloadOwn(): Promise<void> {
  if (!maySign()) return;
  try {
    put(await signing.me());
  } catch (error) {
    ownProblem.value = asProblem(error);
  }
}

export function put(answer: OwnSignature): void {
  own.value = answer;
  ownProblem.value = null;
  if (!answer.session) signingSession.confirmation = null;
}

/** The open signing session, if its time is not over. */
export function openSession(): Confirmation | null {
  const found = signingSession.confirmation;
  return found && Date.parse(found.expires_at) > Date.now() ? found : null;
}

export async function endSession(): Promise<void> {
  signingSession.confirmation = null;
  await signing.endSession();
  await reloadOwn();
}

/** Calls back when something about signing changed, here or on another device; returns the stop. */
export function onSigningChanged(work: () => void): () => void {
  const soon = debounced(work, 200);
  const stops = [
    rooms().on("notice", (hint) => {
      if (hint.code === "signing_changed" || hint.code === "consultation_changed") soon();
    }),
    rooms().on("inbox", (item) => item.ref?.type === "signing" && soon()),
  ];
  return () => stops.forEach((stop) => stop());
}
