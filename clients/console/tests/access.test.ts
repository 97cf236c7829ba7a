import { describe, expect, it } from "vitest";
import type { Matrix, Mine, Policy, ResourceEntry } from "@/access/api";
import { arranged } from "@/access/menus";
import { matching, policyLine, samePolicy, sentence } from "@/access/words";
import { pagesOf } from "@/shell/pages";

const consultation: ResourceEntry = {
  key: "consultation",
  title: "问诊",
  area: "诊疗",
  actions: [{ key: "read", title: "查看", roles: ["doctor"], delegable: true, on_request: false }],
  fields: [
    { path: "patient.name", title: "患者姓名", maskable: true },
    { path: "attachments", title: "附件", maskable: false },
  ],
  filters: [{ value: "ended", label: "仅已结束的" }],
};
const policy = (change: Partial<Policy>): Policy => ({
  scope: "patients",
  filters: [],
  hidden: [],
  masked: [],
  ...change,
});

describe("a policy in plain words", () => {
  it("says whose rows, which of them, and what is not shown", () => {
    const limited = policy({
      filters: ["ended"],
      hidden: ["attachments"],
      masked: ["patient.name"],
    });
    expect(sentence("医生", "查看", consultation, limited)).toBe(
      "医生可以“查看”本人的患者的问诊，限于仅已结束的，看不到附件，患者姓名部分遮盖",
    );
    expect(sentence("护士", "查看", consultation, policy({ scope: "none" }))).toBe(
      "护士不能“查看”问诊",
    );
    expect(policyLine(null)).toBe("按默认");
    expect(policyLine(limited, consultation)).toBe(
      "本人的患者；仅已结束的；隐藏附件；遮盖患者姓名",
    );
  });

  it("does not take the order of fields for a change", () => {
    expect(samePolicy(policy({ hidden: ["a", "b"] }), policy({ hidden: ["b", "a"] }))).toBe(true);
    expect(samePolicy(policy({ hidden: ["a"] }), policy({ masked: ["a"] }))).toBe(false);
  });

  it("is found by the name of a field", () => {
    const found = { resources: [consultation] } as Matrix;
    expect(matching(found, "附件")).toEqual([consultation]);
    expect(matching(found, "处方")).toEqual([]);
  });
});

describe("the menu of an own role", () => {
  const mine = (pages: string[] | null, permissions: string[]): Mine => ({
    pages,
    permissions: Object.fromEntries(permissions.map((one) => [one, "hospital"])),
  });
  const names = (given: Mine | null) =>
    arranged(pagesOf("supervisor"), given).map((page) => page.name);

  it("has its pages in its order, and always a way to messages and profile", () => {
    const shown = names(mine(["audit", "consultations"], ["alarm.read"]));
    expect(shown.slice(0, 2)).toEqual(["audit", "consultations"]);
    expect(shown).toEqual(expect.arrayContaining(["home", "messages", "profile"]));
    expect(shown).not.toContain("rights");
  });

  it("leaves out what the policies close, and nothing before they are known", () => {
    expect(names(mine(null, []))).not.toContain("alarms");
    expect(names(mine(null, ["alarm.read"]))).toContain("alarms");
    expect(names(null)).toContain("alarms");
  });
});
