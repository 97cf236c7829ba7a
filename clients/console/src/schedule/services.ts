import type { Profession } from "@/api/types";
import { MODES } from "@/support/labels";
import type { Terms } from "@/schedule/api";

export type ServiceKey = { kind: Terms["kind"]; mode: Terms["mode"]; label: string };

/** What each profession can offer at a time, or on terms that the hospital sets. */
export const SERVICES: Record<Profession, ServiceKey[]> = {
  doctor: [
    { kind: "revisit", mode: "text", label: `${MODES.text}复诊` },
    { kind: "revisit", mode: "voice", label: `${MODES.voice}复诊` },
    { kind: "revisit", mode: "video", label: `${MODES.video}复诊` },
    { kind: "first", mode: "text", label: "首诊咨询" },
    { kind: "advice", mode: "text", label: "图文咨询" },
  ],
  pharmacist: [
    { kind: "medication", mode: "text", label: `${MODES.text}问药` },
    { kind: "medication", mode: "voice", label: `${MODES.voice}问药` },
    { kind: "medication", mode: "video", label: `${MODES.video}问药` },
  ],
  // Nurses take so many patients a day, on their own terms.
  nurse: [],
};
