import { describe, expect, it } from "vitest";
import cases from "../../behaviour/one-line.json";
import { oneLine } from "../src/one-line";

describe("one line for a message", () => {
  for (const { kind, body, recalled, line } of cases) {
    it(`says ${line}`, () => expect(oneLine(kind, body, recalled)).toBe(line));
  }
});
