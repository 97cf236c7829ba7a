import { describe, expect, it } from "vitest";
import { actionText, shortId } from "@/supervise/audit-labels";
import { columnText, valueText } from "@/supervise/audit-values";
import { auditQuery, daysBetween, daysQuery, type AuditFilters } from "@/supervise/audit-query";

const none: AuditFilters = {
  hospital_id: "",
  person: "",
  patient_id: "",
  patient_name: "",
  category: "",
  action: "",
  object_type: "",
  object_id: "",
  from: "",
  to: "",
};

describe("the audit's filters", () => {
  it("turn days into moments of the hospital's calendar, the last day included", () => {
    const query = auditQuery({ ...none, from: "2026-02-27", to: "2026-02-28", person: " 陈 " });
    expect(query.from).toBe("2026-02-27T00:00:00+08:00");
    expect(query.to).toBe("2026-03-01T00:00:00+08:00");
    expect(query.person).toBe("陈");
    expect(auditQuery(none).to).toBe("");
  });

  it("never send the patient's name, which is for the screen alone", () => {
    expect(auditQuery({ ...none, patient_name: "林*满" })).not.toHaveProperty("patient_name");
  });

  it("show two weeks where no days are chosen", () => {
    const query = daysQuery(none, "2026-03-05");
    expect(query.from).toBe("2026-02-20T00:00:00+08:00");
    expect(daysBetween("2026-02-27", "2026-03-01")).toEqual([
      "2026-02-27",
      "2026-02-28",
      "2026-03-01",
    ]);
  });
});

describe("the audit's words", () => {
  it("shorten identifiers and leave words alone", () => {
    expect(shortId("0199a1b2-0000-7000-8000-123456789abc")).toBe("123456789abc");
    expect(shortId("list")).toBe("列表");
    expect(shortId("payments.minutes")).toBe("payments.minutes");
  });

  it("say of every object that it was looked at or exported", () => {
    expect(actionText("closing_note.look")).toBe("查看问诊小结");
    expect(actionText("rights.take")).toBe("受理个人信息请求");
    expect(actionText("nobody.knows")).toBe("nobody.knows");
  });

  it("say what a value is, and know columns", () => {
    expect(valueText(null)).toBe("（空）");
    expect(valueText(false)).toBe("否");
    expect(valueText(["waiting", "active"])).toBe("待接诊、问诊中");
    expect(valueText("2026-11-21 15:47:41.224989+00:00")).toBe("2026-11-21 23:47");
    expect(valueText("patient.address")).toBe("就诊人地址");
    expect(valueText({ role: "nurse", after: { scope: "department", masked: [] } })).toBe(
      "身份：护士；变更后：（范围：本科室；遮盖：（空））",
    );
    expect(columnText("phone")).toBe("电话");
    expect(columnText("unknown_column")).toBe("unknown_column");
  });
});
