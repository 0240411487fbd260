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

async function judge(page, url, found, isOpened) {
  const note = (what) => { found[what] = found[what] || url; };
  await page.goto(url, { waitUntil: "load" });
  if (isOpened) await page.evaluate(() => document.querySelectorAll("details").forEach((at) => { at.open = true; }));
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

// Everything that can be pressed, by the keyboard alone: in order, to be seen, and with an effect.
async function press(page, url, found) {
  const note = (what) => { found["keyboard: " + what] = url; };
  await page.goto(url, { waitUntil: "load" });
  const reached = [];
  for (let nth = 0; nth < 20; nth++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const { activeElement: at, body } = document, style = getComputedStyle(at);
      return at === body ? null : { name: at.id || at.getAttribute("form") || at.textContent, isSeen: parseFloat(style.outlineWidth) > 1 && style.outlineStyle !== "none",
        isToggle: at.hasAttribute("aria-pressed"), isClosed: at.matches("summary") && !at.parentNode.open };
    });
    // Past the last one the browser begins anew.
    if (!at || reached.includes(at.name)) break;
    reached.push(at.name);
    if (!at.isSeen) note(`${at.name} does not show that it has the focus`);
    if (at.isClosed) {
      await page.keyboard.press("Enter");
      if (!await page.evaluate(() => document.activeElement.parentNode.open)) note(`${at.name} does not open`);
    }
    if (at.isToggle) {
      await page.keyboard.press("Space");
      if (await page.evaluate(() => document.activeElement.getAttribute("aria-pressed")) !== "true") note(`${at.name} is not pressed`);
    }
    if (at.name === "pause") {
      const before = await page.textContent("#text");
      await page.keyboard.press("Enter");
      if (await page.textContent("#text") === before) note("the page does not wait");
    }
  }
  return reached;
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
      await judge(page, shown, found, width > 1000);
      pages += 1;
    }
    for (const [example, wanted] of [["waiting", ["leave", "go", "language"]], ["called", ["enter", "pause", "leave", "go", "language"]]]) {
      shown = address(example, "en", theme);
      const reached = await press(page, shown, found);
      for (const name of wanted) if (!reached.includes(name)) found[`keyboard: ${name} is out of reach: ${reached}`] = address(example, "en", theme);
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
