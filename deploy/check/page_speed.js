// What the first load of the waiting page costs a visitor, by the browser's own protocol: in every language over a slow mobile
// network, from a node whose seats are taken.
//
//   node page_speed.js http://localhost:PORT BROWSER TAGS
"use strict";

const { chromium } = require("playwright-core");

// What browsers' tools call slow 4G.
const SLOW_4G = { offline: false, latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 0.75e6 / 8 };
const BYTES_MAX = 14 * 1024;
const PAINT_MS_MAX = 1000;
const SHIFT_MAX = 0.001;
// What the page works while nothing is to be told: a clock once a second, and a poll now and then.
const BUSY_MAX = 0.02;
const IDLE_S = 5;
// Languages of which the page is watched for longer.
const WATCHED = ["en", "de", "ar", "ja", "pl"];

async function load(browser, base, language, found) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, extraHTTPHeaders: { "Accept-Language": language } });
  const page = await context.newPage();
  const protocol = await context.newCDPSession(page);
  const note = (what) => found.push(`${language}: ${what}`);
  let bytes = 0;
  const loads = [];
  protocol.on("Network.requestWillBeSent", ({ request }) => loads.push(request.url));
  protocol.on("Network.loadingFinished", ({ encodedDataLength }) => { bytes += encodedDataLength; });
  await protocol.send("Network.enable");
  await protocol.send("Network.setCacheDisabled", { cacheDisabled: true });
  await protocol.send("Network.emulateNetworkConditions", SLOW_4G);
  await page.addInitScript(() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const shift of list.getEntries()) window.shifts.push(shift.value);
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(base + "/tickets", { waitUntil: "load" });
  await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length);
  // What came until then is the first load; polls come later.
  const first = bytes;
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
  if (await page.evaluate(() => document.documentElement.lang) !== language) note("the page speaks another language");
  if (first > BYTES_MAX) note(`${first} bytes`);
  if (first < 5000) note(`only ${first} bytes: no page`);
  if (paint >= PAINT_MS_MAX) note(`first contentful paint after ${Math.round(paint)} ms`);
  if (paint < SLOW_4G.latency) note(`painted after ${Math.round(paint)} ms: the network was not slow`);
  let busy = 0;
  if (WATCHED.includes(language)) {
    // From the slip to the number, and then for a while.
    await page.waitForFunction(() => document.body.dataset.state === "waiting", null, { timeout: 8000 });
    const threads = () => protocol.send("Performance.getMetrics").then(({ metrics }) => metrics.find(({ name }) => name === "TaskDuration").value);
    await protocol.send("Performance.enable", { timeDomain: "threadTicks" });
    const before = await threads();
    await page.waitForTimeout(IDLE_S * 1000);
    busy = (await threads() - before) / IDLE_S;
    if (busy > BUSY_MAX) note(`busy for ${(busy * 100).toFixed(1)} % of the time`);
    const shifted = await page.evaluate(() => window.shifts.reduce((sum, shift) => sum + shift, 0));
    if (shifted > SHIFT_MAX) note(`layout shift ${shifted}`);
    // The measures above find what they are for.
    if (language === "en") {
      await page.evaluate(() => {
        for (const end = performance.now() + 500; performance.now() < end;);
        const bar = document.createElement("p");
        bar.style.height = "100px";
        document.querySelector("main").prepend(bar);
      });
      await page.waitForFunction((most) => window.shifts.reduce((sum, shift) => sum + shift, 0) > most, SHIFT_MAX);
      if (await threads() - before < 0.1) note("work is not measured");
    }
  }
  for (const url of loads) if (!url.startsWith(base) && !url.startsWith("data:")) note("asks elsewhere: " + url);
  await context.close();
  return { first, paint, busy };
}

(async () => {
  const [, , base, executablePath, tags] = process.argv;
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
  const found = [], most = { first: 0, paint: 0, busy: 0 };
  const languages = tags.split(",");
  for (const language of languages) {
    const cost = await load(browser, base, language, found);
    for (const name of Object.keys(most)) most[name] = Math.max(most[name], cost[name]);
  }
  await browser.close();
  for (const what of found) console.log(what);
  console.log(`${languages.length} languages: at most ${most.first} bytes, painted within ${Math.round(most.paint)} ms,`
    + ` busy for ${(most.busy * 100).toFixed(2)} % of the time; ${found.length} findings`);
  process.exit(languages.length >= 40 && !found.length ? 0 : 1);
})();
