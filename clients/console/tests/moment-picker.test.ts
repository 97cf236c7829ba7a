import { createApp, h, nextTick, ref } from "vue";
import { afterEach, describe, expect, it } from "vitest";
import MomentPicker from "@/widgets/MomentPicker.vue";

afterEach(() => {
  document.body.innerHTML = "";
});

/** The picker in a page, with what it gave last. */
async function shown(at: string | null) {
  const moment = ref(at);
  const place = document.body.appendChild(document.createElement("div"));
  createApp(() =>
    h(MomentPicker, {
      modelValue: moment.value,
      "onUpdate:modelValue": (given: string | null) => (moment.value = given),
    }),
  ).mount(place);
  await nextTick();
  const field = place.querySelector("input");
  if (!field) throw new Error("no field");
  return { moment, field };
}

describe("a moment that is picked", () => {
  it("is shown and given in the hospital's zone, wherever the browser is", async () => {
    const { moment, field } = await shown("2026-11-22T16:30:00.123456Z");
    expect(field.value).toBe("2026-11-23 00:30");

    field.focus();
    field.value = "2026-12-01 09:15";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await nextTick();
    field.dispatchEvent(new Event("change", { bubbles: true }));
    await nextTick();
    expect(moment.value).toBe("2026-12-01T09:15:00+08:00");
  });

  it("is empty when nothing was picked", async () => {
    expect((await shown(null)).field.value).toBe("");
  });
});
