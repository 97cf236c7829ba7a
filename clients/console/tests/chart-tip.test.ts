import { describe, expect, it } from "vitest";
import { tipOf } from "@/support/chart-tip";

describe("the words beside the pointer in a chart", () => {
  const points = [
    { axisValueLabel: "11-04", seriesName: "通过", seriesIndex: 0, value: 12, color: "#0e8f88" },
    { axisValueLabel: "11-04", seriesName: "平均审核用时", seriesIndex: 1, value: 7.5 },
    { axisValueLabel: "11-04", seriesName: "未测", seriesIndex: 2, value: null },
  ];

  it("name the day, and each figure with its unit", () => {
    const tip = tipOf((series) => (series === 1 ? "分钟" : "次"))(points);
    expect([...tip.children].map((line) => line.textContent)).toEqual([
      "11-04",
      "通过12 次",
      "平均审核用时7.5 分钟",
      "未测—",
    ]);
  });

  it("bring no style in their markup, which the page's policy would refuse", () => {
    const tip = tipOf()(points.slice(1));
    expect(tip.innerHTML).not.toContain("style=");
    expect(tipOf()({ name: "待接诊", value: 3 }).textContent).toBe("待接诊3");
  });

  it("show what somebody else wrote as words, never as markup", () => {
    const tip = tipOf()({ name: "x", seriesName: "<img src=x>", value: 1 });
    expect(tip.querySelector("img")).toBeNull();
  });
});
