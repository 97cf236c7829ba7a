import { describe, expect, it } from "vitest";
import {
  emptyForm,
  faultsOf,
  rolesFor,
  wantedOf,
  type Form,
} from "@/notifications/announcements/editing";

const form = (part: Partial<Form>): Form => ({ ...emptyForm(), title: "周五停诊", ...part });

describe("an announcement that is written", () => {
  it("is sent without what does not belong to its kind", () => {
    const meeting = form({
      kind: "meeting",
      starts_at: "2026-11-20T10:00:00+08:00",
      place: " 三楼 ",
      roles: ["patient", "doctor"],
      confirm: true,
      at: "2026-11-19T10:00:00+08:00",
    });
    const sent = wantedOf(meeting);
    expect(sent).toMatchObject({ place: "三楼", roles: ["doctor"], confirm: true });
    expect(sent).not.toHaveProperty("at");
    const news = wantedOf({ ...meeting, kind: "news" });
    expect(news).toMatchObject({ starts_at: null, place: "", confirm: false });
    expect(news.roles).toEqual(["patient", "doctor"]);
  });

  it("limits departments only where staff is addressed", () => {
    expect(
      wantedOf(form({ kind: "public", roles: ["patient"], department_ids: ["a"] })).department_ids,
    ).toEqual([]);
  });

  it("says beside each field what is missing", () => {
    expect(faultsOf(form({}))).toEqual({});
    expect(Object.keys(faultsOf(form({ title: " ", roles: [] })))).toEqual(["title", "roles"]);
    expect(faultsOf(form({ roles: [], people: ["a"] }))).toEqual({});
    const times = { starts_at: "2026-11-20T10:00:00Z", ends_at: "2026-11-20T17:00:00+08:00" };
    expect(Object.keys(faultsOf(form({ kind: "course", place: "三楼", ...times })))).toEqual([
      "ends_at",
    ]);
  });

  it("is for patients first when it is public", () => {
    expect(rolesFor("public", ["doctor"])).toEqual(["patient", "doctor"]);
    expect(rolesFor("internal", ["doctor"])).toEqual(["doctor"]);
  });
});
