import { describe, expect, it } from "vitest";
import { dutiesProblem, loginProblem, phoneProblem } from "@/accounts/duties";
import { differences, draftOf, emptyProfile, handedIn, profileProblems } from "@/practice/profile";

const profile = {
  ...emptyProfile(),
  practice_start: "2012-07-01",
  work: [{ place: "仁和示范医院", role: "护师", since: "2012-07", until: null }],
};

describe("the own profile", () => {
  it("is complete without the things that nobody needs", () => {
    expect(profileProblems(profile, "2026-11-21")).toEqual({});
  });
  it("names each mistake at its field", () => {
    const wrong = {
      ...profile,
      practice_start: "2030-01-01",
      email: "nobody",
      contact_phone: "call",
      education: [{ place: "", role: "本科", since: "2008-09", until: null }],
      work: [{ place: "甲", role: "乙", since: "2020-05", until: "2019-01" }],
    };
    expect(Object.keys(profileProblems(wrong, "2026-11-21")).sort()).toEqual([
      "contact_phone",
      "education.0",
      "email",
      "practice_start",
      "work.0",
    ]);
  });
  it("is typed into a copy", () => {
    const draft = draftOf(profile);
    draft.work[0]!.place = "别处";
    expect(profile.work[0]!.place).toBe("仁和示范医院");
  });
  it("hands nothing in where nothing was typed", () => {
    const sent = handedIn({ ...profile, email: "  ", contact_phone: "" });
    expect(sent.email).toBeNull();
    expect(sent.contact_phone).toBeNull();
  });
  it("shows the reviewer what changed", () => {
    const changed = differences(profile, { ...profile, expertise: "造口护理" }).filter(
      (each) => each.before !== each.after,
    );
    expect(changed).toEqual([{ label: "擅长", before: "", after: "造口护理" }]);
  });
});

describe("an account's duties", () => {
  it("need a department where the role has one", () => {
    const doctor = { role: "doctor" as const, department_id: null, title: "" };
    expect(dutiesProblem([])).toContain("至少");
    expect(dutiesProblem([doctor])).toContain("科室");
    expect(dutiesProblem([{ ...doctor, department_id: "d" }])).toBeNull();
  });
  it("are not given twice", () => {
    const duty = { role: "supervisor" as const, department_id: null, title: "" };
    expect(dutiesProblem([duty, duty])).toContain("重复");
  });
  it("belong to a telephone number and perhaps a login name", () => {
    expect(phoneProblem("13800000001")).toBeNull();
    expect(phoneProblem("1380000000")).not.toBeNull();
    expect(loginProblem("")).toBeNull();
    expect(loginProblem("Guan.Er")).toBeNull();
    expect(loginProblem("有空格")).not.toBeNull();
  });
});
