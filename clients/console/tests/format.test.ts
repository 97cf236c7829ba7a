import { describe, expect, it } from "vitest";
import {
  bytes,
  commonName,
  dateTimeOf,
  duration,
  friendlyDay,
  friendlyTime,
  span,
  yuan,
} from "@/support/format";
import { faceOf, later, momentOf, momentOfFace, mondayOf } from "@/support/days";

// 2026-11-21 10:00 in Shanghai.
const now = new Date("2026-11-21T02:00:00Z");

describe("times on screen", () => {
  it("are in the hospital's zone and as short as the day allows", () => {
    expect(friendlyTime("2026-11-21T01:30:00Z", now)).toBe("09:30");
    expect(friendlyTime("2026-11-20T13:05:00Z", now)).toBe("昨天 21:05");
    expect(friendlyTime("2026-11-03T00:00:00Z", now)).toBe("11月3日 08:00");
    expect(friendlyTime("2025-11-03T00:00:00Z", now)).toBe("2025-11-03");
  });

  it("change the day at midnight in Shanghai, not in UTC", () => {
    expect(friendlyDay("2026-11-20T16:30:00Z", now)).toBe("今天");
    expect(friendlyDay("2026-11-20T15:30:00Z", now)).toBe("昨天");
  });

  it("do not hang on where the browser is", () => {
    expect(new Date(0).getTimezoneOffset(), "these tests run elsewhere").toBe(300);
    expect(dateTimeOf("2025-12-31T16:05:00.123456Z")).toBe("2026-01-01 00:05");
  });

  it("that are picked are the hospital's", () => {
    expect(faceOf("2026-11-22T01:00:00Z")).toBe("2026-11-22 09:00");
    expect(Date.parse(momentOfFace("2026-11-22 09:00"))).toBe(Date.parse("2026-11-22T01:00:00Z"));
    expect(momentOf("2026-11-23")).toBe("2026-11-23T00:00:00+08:00");
  });

  it("know weeks and the days between, across months and leap days", () => {
    expect(mondayOf("2026-11-22")).toBe("2026-11-16");
    expect(mondayOf("2026-11-23")).toBe("2026-11-23");
    expect(later("2028-02-28", 1)).toBe("2028-02-29");
    expect(later("2027-01-01", -1)).toBe("2026-12-31");
  });

  it("name spans the way one says them", () => {
    expect(span(20_000)).toBe("不到1分钟");
    expect(span(12 * 60_000)).toBe("12分钟");
    expect(span(3 * 3_600_000 + 5 * 60_000)).toBe("3小时5分");
    expect(span(50 * 3_600_000)).toBe("2天");
    expect(duration(65_000)).toBe("1:05");
    expect(duration(3_723_000)).toBe("1:02:03");
  });
});

describe("amounts", () => {
  it("show fen as yuan and bytes as people read them", () => {
    expect(yuan(5)).toBe("¥0.05");
    expect(yuan(9900)).toBe("¥99.00");
    expect(bytes(900)).toBe("900 B");
    expect(bytes(2_500_000)).toBe("2.4 MB");
  });
});

describe("names in certificates", () => {
  it("are those of whom they speak", () => {
    expect(commonName("CN=演示签发CA SM2, O=诊间演示CA, C=CN")).toBe("演示签发CA SM2");
    expect(commonName("C=CN, CN=陈安和")).toBe("陈安和");
    expect(commonName("没有这种写法")).toBe("没有这种写法");
  });
});
