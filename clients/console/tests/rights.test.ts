import { describe, expect, it } from "vitest";
import { agreeAgain, purposeChanges, type Purpose } from "@/rights/api";

const purpose = (code: string, more: Partial<Purpose> = {}): Purpose => ({
  code,
  title: code,
  text: "说明",
  required: false,
  ...more,
});

describe("a text that is published", () => {
  it("says what becomes of those who agreed before", () => {
    expect(agreeAgain({ material: false, grace_days: 9 })).toContain("继续有效");
    expect(agreeAgain({ material: true, grace_days: 0 })).toContain("生效后此前的同意失效");
    expect(agreeAgain({ material: true, grace_days: 7 })).toContain("生效 7 天后此前的同意失效");
  });

  it("shows which purposes came, went and became required", () => {
    const before = [purpose("care"), purpose("quality")];
    const after = [purpose("care", { required: true }), purpose("quality"), purpose("research")];
    expect(purposeChanges(before, after)).toEqual([
      { mark: "removed", text: "care（可选）：说明" },
      { mark: "added", text: "care（必需）：说明" },
      { mark: "added", text: "research（可选）：说明" },
    ]);
    expect(purposeChanges(before, before)).toEqual([]);
  });
});
