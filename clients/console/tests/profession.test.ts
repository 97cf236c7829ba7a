import { describe, expect, it } from "vitest";
import type { Consultation, ConsultationKind } from "@/api/types";
import { closeText, doctorName, leaderRole, worded } from "@/support/labels";

const ended = (kind: ConsultationKind, more: Partial<Consultation> = {}): Consultation =>
  ({ kind, close_reason: "declined", close_text: null, doctor: null, ...more }) as Consultation;

describe("whoever leads a consultation", () => {
  it("is called by the profession of its kind", () => {
    expect(closeText(ended("medication"))).toBe("药师拒诊，已退款");
    expect(closeText(ended("nursing", { close_reason: "suspended" }))).toBe("护士停诊，已退款");
    expect(closeText(ended("revisit"))).toBe("医生拒诊，已退款");
    expect(worded("medication", "分配医生")).toBe("分配药师");
    expect(doctorName(ended("department"))).toBe("待科室医生接诊");
  });

  it("ends it in the words of the house where they are known", () => {
    const said = ended("nursing", { close_text: "护士已退诊，费用全额退回（需要到院处理）" });
    expect(closeText(said)).toBe("护士已退诊，费用全额退回（需要到院处理）");
  });

  it("hands it to somebody of the same profession", () => {
    expect((["revisit", "medication", "nursing"] as const).map(leaderRole)).toEqual([
      "doctor",
      "pharmacist",
      "nurse",
    ]);
  });
});
