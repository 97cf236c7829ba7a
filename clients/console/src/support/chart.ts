import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { init, use, type ECharts, type EChartsCoreOption } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { onMounted, onUnmounted, watch, type Ref, type WatchSource } from "vue";
import { isDark } from "@/support/appearance";
import { tipOf } from "@/support/chart-tip";

use([BarChart, LineChart, GridComponent, LegendComponent, TooltipComponent, SVGRenderer]);

/** A chart in a box: drawn anew when what it shows or the appearance changes, and as wide as its box. */
export function useChart(
  box: Ref<HTMLElement | null>,
  shown: WatchSource,
  option: (colour: (name: string) => string) => EChartsCoreOption,
  /** With the index of the bar or point that was clicked. */
  clicked?: (index: number) => void,
) {
  let chart: ECharts | null = null;

  function draw(): void {
    if (!chart || !box.value) return;
    const style = getComputedStyle(box.value);
    const made = option((name) => style.getPropertyValue(`--zj-colour-${name}`).trim());
    const tooltip = { formatter: tipOf(), ...(made["tooltip"] as object) };
    chart.setOption({ ...made, tooltip }, true);
  }

  const watcher = new ResizeObserver(() => chart?.resize());
  onMounted(() => {
    if (!box.value) return;
    chart = init(box.value, null, { renderer: "svg" });
    if (clicked) chart.on("click", (event) => clicked(event.dataIndex));
    watcher.observe(box.value);
    draw();
  });
  watch([shown, isDark], () => requestAnimationFrame(draw));
  onUnmounted(() => {
    watcher.disconnect();
    chart?.dispose();
  });
}
