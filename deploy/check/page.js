// Every page that visitors may come to see, as `sluice preview` shows them: judged by axe-core (WCAG 2.2 AA) and
// html-validate, in a real browser, in each state, theme, size and in five languages.
//
//   node page.js http://127.0.0.1:PORT BROWSER
"use strict";

const axe = require("axe-core");
const { chromium } = require("playwright-core");
const { HtmlValidate } = require("html-validate");

const LANGUAGES = ["en", "de", "ar", "ja", "pl"];
// The smallest telephone that is about, a desktop, and a wall.
const SCREENS = [["light", 320, 640], ["dark", 320, 640], ["light", 1280, 800], ["dark", 1920, 1080]];
const RULES = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };
// The page is written for its size: no end tags that HTML does without, no doctype in capitals.
const validator = new HtmlValidate({
  extends: ["html-validate:standard"],
  rules: { "doctype-style": "off", "no-trailing-whitespace": "off", "no-inline-style": "off", "long-title": "off",
    "require-sri": "off", "no-implicit-close": "off", "void-style": "off", "attr-quotes": "off", "no-raw-characters": "off",
    "no-implicit-button-type": "off", "attribute-boolean-style": "off", "no-implicit-input-type": "off" },
});

async function validate(url, found) {
  const report = await validator.validateString(await (await fetch(url)).text());
  for (const { messages } of report.results) for (const { ruleId, message, line, column } of messages) {
    found[`html: ${ruleId}: ${message} (${line}:${column})`] = url;
  }
}

async function judge(page, url, found) {
  const note = (what) => { found[what] = found[what] || url; };
  await page.goto(url, { waitUntil: "load" });
  await page.evaluate(axe.source);
  const { violations, incomplete, passes } = await page.evaluate((rules) => window.axe.run(document, rules), RULES);
  if (passes.length < 10) note("axe has looked at next to nothing");
  for (const { id, help, nodes } of violations) note(`axe: ${id}: ${help}: ${nodes[0].html}`);
  for (const { id, help, nodes } of incomplete) {
    if (id === "color-contrast") note(`axe cannot tell: ${id}: ${help}: ${nodes[0].html}`);
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) note(`wider than the window by ${wide} px`);
}

(async () => {
  const [, , base, executablePath] = process.argv;
  const about = await (await fetch(base + "/content")).json();
  const { tenant, queue } = about.queues[0];
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
  const found = {};
  let pages = 0;
  const address = (example, language, theme) => `${base}/page/${tenant}/${queue}/${example}?` + new URLSearchParams({ language, theme });
  for (const [example] of about.examples) for (const language of LANGUAGES) await validate(address(example, language, "light"), found);
  await Promise.all(SCREENS.map(async ([theme, width, height]) => {
    // axe is put into the page by the judge, past its policy.
    const context = await browser.newContext({ viewport: { width, height }, bypassCSP: true });
    const page = await context.newPage();
    // A page whose turn it is enters, and there is nothing behind it here.
    let shown;
    await page.route("**", (route) => {
      if (!route.request().isNavigationRequest()) return route.continue();
      const leaves = route.request().url() !== shown;
      shown = null;
      return leaves ? route.fulfill({ status: 204 }) : route.continue();
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(base) && !request.url().startsWith("data:")) found["asks elsewhere: " + request.url()] = page.url();
    });
    page.on("pageerror", (error) => { found["script: " + error.message] = page.url(); });
    for (const [example] of about.examples) for (const language of LANGUAGES) {
      shown = address(example, language, theme);
      await judge(page, shown, found);
      pages += 1;
    }
    await context.close();
  }));
  await browser.close();
  for (const [what, where] of Object.entries(found)) console.log(`${what}\n    ${where}`);
  console.log(`${pages} pages, ${Object.keys(found).length} findings`);
  // A preview without examples would have nothing to be found.
  const enough = pages >= SCREENS.length * LANGUAGES.length * 15;
  if (!enough) console.log("too few pages were looked at");
  process.exit(enough && !Object.keys(found).length ? 0 : 1);
})();
