// logql.mjs TOOLS: reads queries, one a line, and prints those that Grafana's own grammar of LogQL does not know; exit status 1 if any.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const { parser } = createRequire(resolve(process.argv[2], "package.json"))("@grafana/lezer-logql");
let found = 0;
for (const query of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  let at = -1;
  parser.parse(query).iterate({ enter: (node) => { if (node.type.isError && at < 0) at = node.from; } });
  if (at < 0) continue;
  console.log(`${query}\n${" ".repeat(at)}^ is no LogQL`);
  found += 1;
}
process.exit(found ? 1 : 0);
