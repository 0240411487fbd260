// @ts-check
// The operators' dashboard: a list of queues, and one queue. No build step and no outside request.
import { ask, Failure, issuer, login, logout, watch } from "/dashboard-api.js";
import { element, plot, span } from "/dashboard-parts.js";
import { changeBox } from "/dashboard-change.js";
import { visitorBox } from "/dashboard-visitor.js";

/** @typedef {import("/dashboard-api.js").Live} Live */

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const where = /** @type {HTMLElement} */ (document.getElementById("where"));
const age = /** @type {HTMLElement} */ (document.getElementById("age"));
const who = /** @type {HTMLElement} */ (document.getElementById("who"));
const offline = /** @type {HTMLElement} */ (document.getElementById("offline"));
const logoutButton = /** @type {HTMLButtonElement} */ (document.getElementById("logout"));

/** Samples that a plot shows: an hour, one each two seconds. */
const SAMPLES = 1800;
const SAMPLE_MS = 2000;
/** Figures older than this are shown as old, in ms. */
const OLD_MS = 3000;

/** What is known of each queue, by "tenant/queue". @type {Map<string, {live: Live, at: number}>} */
const lines = new Map();
/** @type {Map<string, Live[]>} */
const past = new Map();
/** @type {any} */
let me = null;
/** @type {(() => void) | null} */
let refresh = null;
let heard = 0;

const REASONS = {
  paused: "held by an operator",
  seats_taken: "every seat is taken",
  store_away: "the store does not answer",
  recovering: "recovering after a loss",
  closed: "closed",
  line_full: "the line is full",
  rate_used: "the minute's rate is used up",
};

/** @param {Live} live */
function state(live) {
  if (live.reason) return ["still", REASONS[live.reason] ?? live.reason];
  if (live.waiting > 0) return ["moves", "moving"];
  return ["", "no line"];
}

/** @param {Live} live */
function wait(live) {
  const range = live.wait_seconds;
  if (!range) return "–";
  return range.high < 1 ? "none" : `${span(range.low)} to ${span(range.high)}`;
}

function list() {
  where.textContent = "All queues";
  const body = element("tbody");
  const section = element("section", {},
    element("h1", {}, "Queues"),
    element("div", { class: "scroll" },
      element("table", {},
        element("thead", {}, element("tr", {}, ...["Queue", "State", "Waiting", "Called", "Inside", "Last minute", "Wait now"]
          .map((name, at) => element("th", { scope: "col", class: at < 2 ? "text" : "" }, name)))),
        body)));
  main.replaceChildren(section);
  refresh = () => {
    const rows = [...lines].sort(([a], [b]) => a.localeCompare(b)).map(([name, { live }]) => {
      const [kind, words] = state(live);
      return element("tr", {},
        element("td", {}, element("a", { href: `#/${name}` }, name)),
        element("td", { class: `text state ${kind}` }, words),
        ...[live.waiting, live.called, live.inside, live.called_last_minute].map((n) => element("td", {}, n.toLocaleString())),
        element("td", {}, wait(live)));
    });
    const focused = document.activeElement?.getAttribute("href");
    body.replaceChildren(...rows);
    if (focused) body.querySelector(/** @type {any} */ (`a[href="${CSS.escape(focused)}"]`))?.focus();
  };
  refresh();
}

/** @param {string} tenant @param {string} queue */
async function one(tenant, queue) {
  const name = `${tenant}/${queue}`;
  where.textContent = name;
  const path = `/v1/tenants/${encodeURIComponent(tenant)}/queues/${encodeURIComponent(queue)}`;
  const status = element("p", { class: "state" });
  const figures = element("dl", { class: "figures" });
  const waiting = plot("Waiting");
  const called = plot("Called in the last minute");
  const inside = plot("Called and inside");
  const hour = element("dl", { class: "figures" });
  const records = element("ol", { class: "records" });
  const disagreements = element("div", { role: "status" });
  const answer = await ask("GET", path);
  let effective = answer.data.effective;
  const disagree = (/** @type {string[]} */ words) =>
    disagreements.replaceChildren(...words.map((text) => element("p", { class: "notice" }, `Nodes disagree: ${text}`)));
  disagree(answer.data.disagreements);
  const reload = async () => {
    const answer = await ask("GET", path);
    effective = answer.data.effective;
    disagree(answer.data.disagreements);
    box.show(answer);
    await happened();
  };
  const happened = async () => {
    if (!me.permissions.includes("audit:read")) return;
    // The newest of this queue: they are at the end of the log.
    const head = await ask("GET", "/v1/audit/head");
    let after = Math.max(0, head.data.seq - 2000);
    /** @type {any[]} */
    let all = [];
    for (let page = 0; page < 3; page += 1) {
      const answer = await ask("GET", `/v1/audit?after=${after}&limit=1000`);
      all = all.concat(answer.data);
      if (!answer.metadata.next) break;
      after = Number(answer.metadata.next);
    }
    const mine = all.filter((record) => record.target === name || record.target.startsWith(`${name}/`))
      .filter((record) => record.outcome !== "requested").slice(-50).reverse();
    records.replaceChildren(...mine.map((record) => element("li", {},
      element("time", { datetime: record.at, class: "muted" }, new Date(record.at).toLocaleTimeString()), " ",
      element("strong", {}, record.action), ` by ${record.actor}, ${record.outcome}`,
      record.why ? `: ${record.why}` : "")));
    if (!mine.length) records.replaceChildren(element("li", { class: "muted" }, "No change yet."));
  };
  const box = changeBox({ path, name, may: me.permissions, changed: reload });
  const visitor = visitorBox({ path, may: me.permissions, changed: happened });
  main.replaceChildren(
    element("section", {}, element("h1", {}, name), status, disagreements, figures),
    element("div", { class: "columns" },
      element("section", {}, waiting.element), element("section", {}, called.element), element("section", {}, inside.element)),
    element("section", {}, element("h2", {}, "The last hour"), hour),
    element("div", { class: "columns" }, box.element,
      element("div", {}, visitor.element, element("section", {}, element("h2", {}, "What happened"), records))));
  box.show(answer);
  await happened();
  const lastHour = async () => {
    const { data } = await ask("GET", `${path}/analytics?minutes=60`);
    const { totals } = data;
    const seconds = (/** @type {any} */ of) => (of ? `half below ${span(of.p50)}, nine of ten below ${span(of.p90)}` : "none yet");
    hour.replaceChildren(
      figure("Came", totals.arrived.toLocaleString(), `${totals.numbered.toLocaleString()} numbers`),
      figure("Entered", totals.entered.toLocaleString(), `${totals.called.toLocaleString()} called`),
      figure("Left or did not enter", (totals.left + totals.lapsed).toLocaleString(), data.abandonment === null ? "" : `${(data.abandonment * 100).toFixed(1)} %`),
      figure("Wait", totals.wait ? span(totals.wait.p50) : "–", seconds(totals.wait)));
  };
  const figure = (/** @type {string} */ term, /** @type {string} */ value, /** @type {string} */ more) =>
    element("div", {}, element("dt", {}, term), element("dd", {}, value, element("small", {}, more)));
  refresh = () => {
    const known = lines.get(name);
    if (!known) return;
    const { live } = known;
    const [kind, words] = state(live);
    status.className = `state ${kind}`;
    if (status.textContent !== words) status.textContent = words;
    const seats = live.called + live.inside;
    figures.replaceChildren(
      figure("Waiting", live.waiting.toLocaleString(), `wait now: ${wait(live)}`),
      figure("Called in the last minute", live.called_last_minute.toLocaleString(), `at most ${effective.release_per_minute.toLocaleString()}`),
      figure("Inside", live.inside.toLocaleString(), effective.max_active ? `${seats.toLocaleString()} of ${effective.max_active.toLocaleString()} seats` : "no bound of seats"),
      figure("Called, not entered", live.called.toLocaleString(), `number ${live.head.toLocaleString()} of ${live.issued.toLocaleString()}`));
    const samples = past.get(name) ?? [];
    waiting.show(samples.map((live) => live.waiting), null);
    called.show(samples.map((live) => live.called_last_minute), effective.release_per_minute);
    inside.show(samples.map((live) => live.inside + live.called), effective.max_active);
  };
  refresh();
  await lastHour();
  const hash = location.hash;
  const timer = setInterval(() => {
    if (location.hash !== hash) clearInterval(timer);
    else lastHour().catch(() => {});
  }, 15000);
}

function loginPage(/** @type {string} */ message) {
  refresh = null;
  who.textContent = "";
  logoutButton.hidden = true;
  where.textContent = "";
  const input = /** @type {HTMLInputElement} */ (element("input", { type: "password", autocomplete: "off", required: "", spellcheck: "false" }));
  const problem = element("p", { role: "alert", class: message ? "notice" : "" }, message);
  const form = element("form", { class: "card login" },
    element("h1", {}, "Log in"),
    element("p", { class: "muted" }, "On a machine that has the node's config, run ", element("code", {}, "sluice admin token --config DIR"), "."),
    element("label", {}, "Token", input),
    problem,
    element("div", { class: "row" }, element("button", { class: "main" }, "Log in")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await enter(input.value.trim());
  });
  main.replaceChildren(form);
  input.focus();
  issuer().then((way) => {
    if (!way) return;
    const link = element("a", { class: "button main", id: "issuer", href: way.start }, `Log in with ${way.name}`);
    form.querySelector("h1")?.after(element("div", { class: "row" }, link));
    if (!input.value) link.focus();
  });
}

/** @param {string} token */
async function enter(token) {
  try {
    await login(token);
    await start();
  } catch (failure) {
    loginPage(failure instanceof Failure ? `${failure.message}. ${failure.hint}` : "No connection to the node.");
  }
}

async function route() {
  refresh = null;
  const [tenant, queue] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  try {
    if (tenant && queue) await one(tenant, queue);
    else list();
  } catch (failure) {
    if (failure instanceof Failure && failure.status === 401) return loginPage("");
    main.replaceChildren(element("p", { class: "notice", role: "alert" }, String(/** @type {any} */ (failure).message)));
  }
}

async function start() {
  const answer = await ask("GET", "/v1/me");
  me = answer.data;
  who.textContent = `${me.id.replace(/^(person|oidc):/, "")}, ${me.role}`;
  logoutButton.hidden = false;
  watch((update) => {
    heard = Date.now();
    lines.set(`${update.tenant}/${update.queue}`, { live: update.live, at: heard });
    refresh?.();
  }, () => { heard = Date.now(); });
  await route();
}

logoutButton.addEventListener("click", async () => {
  await logout();
  location.reload();
});
addEventListener("hashchange", () => { if (me) route(); });
addEventListener("keydown", (event) => {
  const typing = /** @type {HTMLElement} */ (event.target).matches?.("input, textarea, select");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "h") document.getElementById("hold")?.focus();
  if (event.key === "/") { event.preventDefault(); location.hash = "#/"; }
});
setInterval(() => {
  for (const [name, { live }] of lines) {
    const samples = past.get(name) ?? [];
    samples.push(live);
    if (samples.length > SAMPLES) samples.shift();
    past.set(name, samples);
  }
  refresh?.();
}, SAMPLE_MS);
setInterval(() => {
  if (!me) return;
  const silent = Date.now() - heard;
  offline.hidden = silent < 20000;
  const current = lines.get(location.hash.replace(/^#\/?/, ""));
  const old = Math.max(current?.live.age_ms ?? 0, 0);
  age.textContent = silent < 20000 ? `figures ${old < OLD_MS ? "live" : `${Math.round(old / 1000)} s old`}` : `silent for ${Math.round(silent / 1000)} s`;
}, 500);

const given = location.hash.match(/^#t=(.+)$/);
if (given) {
  history.replaceState(null, "", "/#/");
  await enter(decodeURIComponent(given[1]));
} else {
  try {
    await start();
  } catch {
    loginPage("");
  }
}
