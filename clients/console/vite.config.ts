import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import vue from "@vitejs/plugin-vue";
import { defineConfig, type Plugin } from "vite";

const here = path.dirname(fileURLToPath(import.meta.url));
const server = process.env["ZHENJIAN_SERVER"] ?? "http://127.0.0.1:8000";

/** The API viewer at /api/docs takes its script and style from this build, never from a foreign host. */
function apiViewer(): Plugin {
  const from = path.dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
  return {
    name: "api-viewer",
    apply: "build",
    generateBundle() {
      for (const name of ["swagger-ui.css", "swagger-ui-bundle.js"]) {
        const source = readFileSync(path.join(from, name));
        this.emitFile({ type: "asset", fileName: `api-docs/${name}`, source });
      }
    },
  };
}

export default defineConfig({
  base: "/console/",
  plugins: [vue(), apiViewer()],
  resolve: {
    alias: {
      "@": path.join(here, "src"),
      "@zhenjian/realtime": path.join(here, "../realtime/src/index.ts"),
      "@zhenjian/design": path.join(here, "../design"),
    },
    dedupe: ["socket.io-client", "vue"],
  },
  server: {
    fs: { allow: [path.join(here, "..")] },
    proxy: {
      "/api": server,
      "/socket.io": { target: server, ws: true },
    },
  },
  build: {
    target: "es2022",
    chunkSizeWarningLimit: 700,
  },
});
