// Writes tokens.css and tokens.ts from tokens.json, the one place where a token is changed.
// `node build.mjs` writes; `node build.mjs --check` fails when a written file is out of date.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import path from "node:path";

const here = path.dirname(fileURLToPath(import.meta.url));
const tokens = JSON.parse(readFileSync(path.join(here, "tokens.json"), "utf8"));
const { elder, dark, ...base } = tokens;

const flat = Object.entries(base).flatMap(([group, values]) =>
  Object.entries(values).map(([name, value]) => [`${group}-${name}`, value]),
);
const known = new Set(flat.map(([name]) => name));
for (const [set, values] of Object.entries({ elder, dark })) {
  for (const name of Object.keys(values)) {
    if (!known.has(name)) throw new Error(`${set}: ${name} overrides no token`);
  }
}

const block = (selector, entries) =>
  `${selector} {\n${entries.map(([name, value]) => `  --zj-${name}: ${value};`).join("\n")}\n}\n`;

const css = [
  "/* Written by build.mjs from tokens.json. Change the tokens there. */\n",
  "/* `page` is the root of a mini-program page. */\n",
  block(":root,\npage", flat),
  "\n",
  block(".zj-elder", Object.entries(elder)),
  "\n",
  block(".zj-dark,\n.dark", Object.entries(dark)),
  "\n@media (prefers-reduced-motion: reduce) {\n  :root,\n  page {\n    --zj-motion-fast: 0ms;\n    --zj-motion-normal: 0ms;\n    --zj-motion-slow: 0ms;\n  }\n}\n",
].join("");

const ts = [
  "// Written by build.mjs from tokens.json. Change the tokens there.\n",
  ...Object.entries(base).map(
    ([group, values]) => `export const ${group} = ${JSON.stringify(values, null, 2)} as const;\n`,
  ),
  `export const elder = ${JSON.stringify(elder, null, 2)} as const;\n`,
  `export const dark = ${JSON.stringify(dark, null, 2)} as const;\n`,
].join("\n");

let stale = false;
for (const [name, text] of [["tokens.css", css], ["tokens.ts", ts]]) {
  const file = path.join(here, name);
  if (process.argv.includes("--check")) {
    let now = "";
    try {
      now = readFileSync(file, "utf8");
    } catch {
      now = "";
    }
    if (now !== text) {
      console.error(`${name} is out of date: run node clients/design/build.mjs`);
      stale = true;
    }
  } else {
    writeFileSync(file, text);
  }
}
process.exit(stale ? 1 : 0);
