import { describe, expect, it } from "vitest";
import { usageOf, type PrescriptionLine } from "@/records/api";
import { cardOf, prescriptionOf } from "@/records/opening";

const line: PrescriptionLine = {
  name: "苯磺酸氨氯地平片",
  specification: "5mg×28片",
  dose: "5mg",
  route: "口服",
  frequency: "每日一次",
  days: 28,
  quantity: "1",
  unit: "盒",
};

describe("a past prescription", () => {
  it("is sent by its number and day alone, and opens by the number", () => {
    const card = cardOf({ prescription_no: "RX1", issued_on: "2026-03-02" });
    expect(card).toEqual({ type: "past_prescription", ref: "RX1", title: "历史处方 2026-03-02" });
    expect(prescriptionOf(card)).toBe("RX1");
    expect(prescriptionOf({ ...card, type: "doctor" })).toBeNull();
    expect(prescriptionOf({ ...card, ref: "" })).toBeNull();
    expect(prescriptionOf(null)).toBeNull();
  });

  it("says how a drug is taken, and leaves out what the hospital left out", () => {
    expect(usageOf(line)).toBe("每次5mg，口服，每日一次，28天");
    expect(usageOf({ ...line, dose: "", frequency: "", days: null, route: "后下" })).toBe("后下");
    expect(usageOf({ ...line, dose: "薄涂", route: "外用" })).toBe("薄涂，外用，每日一次，28天");
  });
});
