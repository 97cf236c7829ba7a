import type { TrialOffer, TrialPort } from "@zhenjian/realtime";
import { http } from "@/api/http";

/** The trial of the network before a call. */
export const callTrial: TrialPort = {
  begin: (media) => http.post<TrialOffer>("/calls/check", { media }),
  answer: (body) => http.post<void>("/calls/check/answer", body),
};
