import { defineConfig, mergeConfig } from "vitest/config";
import base from "./vite.config";

// Far from the hospital: what is shown must not hang on where the browser is.
process.env["TZ"] = "America/New_York";

export default mergeConfig(
  base,
  defineConfig({ test: { environment: "happy-dom", include: ["tests/**/*.test.ts"] } }),
);
