// Keeps the waiting page true: asks where the visitor stands, shows it, enters when called.
//
// The same script runs in every page, byte for byte, because the page's policy names its hash.
// What differs is data: words, the first status and, on the body, queue, site and kind of page.
// It stands in the part of the page that all visitors share, so it begins once the rest is there.
// Plain ES2017: a browser that cannot parse this would leave its owner on a page that never moves.
// Comments stand on lines of their own and strings in double quotes; see `compact` in assets.rs.
document.addEventListener("DOMContentLoaded", () => {
"use strict";
const $ = (id) => document.getElementById(id);
const lang = document.documentElement.lang;
// The board loads itself anew; between, its clock goes on, in the time of the place where it hangs.
const clock = $("clock");
if (clock) {
  const tick = () => {
    clock.textContent = new Date().toLocaleTimeString(lang, { hour: "numeric", minute: "2-digit" });
  };
  tick();
  setInterval(tick, 1000);
}
// Nor has a notice a line behind it.
if (!$("status")) return;
const data = (id) => JSON.parse($(id).textContent);
const words = data("words");
const { queue, site, form, closed } = document.body.dataset;
const isForm = form !== undefined;
const url = "/.sluice/status?queue=" + encodeURIComponent(queue);
const ANSWER_MS = 15000;
// A visitor not seen for 90 s may count as gone, so even a failing page asks once a minute.
const BACKOFF_MAX_S = 60;
const JOINING_MAX = 3;
const SPEAK_MS = 30000;

// The best seen with this number: what is shown never gets worse, whichever node answers.
let kept = { number: null, ahead: null, progress: 0 };
let pollAfter = 5, failures = 0, joining = 0, entering = false;
let timer, request, askedAt = 0, woken = false;
let spoken;

// The same as `locale.rs`, from the browser's own data.
let digits = String, plural = () => "other";
try {
  const format = new Intl.NumberFormat(lang), rules = new Intl.PluralRules(lang);
  digits = (n) => format.format(n);
  plural = (n) => rules.select(n);
} catch (e) {
  // A browser without them, or without the language: plain digits and the commonest form.
}
const between = (upTo, about, low, high) => low ? about.replace("{range}",
  low === high ? digits(high) : digits(low) + "–" + digits(high)) : upTo.replace("{high}", digits(high));

// The same rules as `Words::wait_range`: outwards, so that the words hold when the range does.
function wait(range) {
  const w = words.wait, HOUR = 3600;
  const low = Math.min(range.low, range.high), high = range.high;
  if (low >= 24 * HOUR) return w.day;
  if (high > 2 * HOUR) {
    return between(w.hours_up_to, w.hours, Math.floor(low / HOUR), Math.ceil(high / HOUR));
  }
  let from = Math.floor(low / 60), to = Math.ceil(high / 60);
  if (from >= 20) from -= from % 5;
  if (to > 20) to = Math.ceil(to / 5) * 5;
  return to <= 1 ? w.minute : between(w.minutes_up_to, w.minutes, from, to);
}

// Sets a text, and hides its row when there is none.
function fill(id, text) {
  const at = $(id);
  (at.closest(".row") || at).hidden = text == null;
  if (text != null && at.textContent !== text) at.textContent = text;
}

// Tells a screen reader: at once when the state changes, else only now and then.
function speak(state, text) {
  const now = Date.now();
  if (state === spoken.state && (text === spoken.text || now - spoken.at < SPEAK_MS)) return;
  spoken = { state, text, at: now };
  $("live").textContent = text;
}

// The same choices as `Shown::new`.
function show(s, cookiesBlocked) {
  const isClosed = s.state === "closed" || s.state === "joining" && s.reason === "closed";
  const face = isClosed ? closed : cookiesBlocked ? "cookies"
    : s.state === "called" && s.reason === "lapsed" ? "missed" : s.state;
  const said = words.states[face];
  const inLine = s.state === "waiting" || s.state === "held";
  const mayEnter = s.state === "called" || s.state === "admitted";
  if (s.number != null && s.number !== kept.number) {
    kept = { number: s.number, ahead: null, progress: 0 };
  }
  if (s.ahead != null) kept.ahead = kept.ahead == null ? s.ahead : Math.min(kept.ahead, s.ahead);
  if (s.progress > kept.progress) kept.progress = s.progress;
  const ahead = inLine ? kept.ahead : null;
  const count = ahead ? digits(ahead) : "";
  const label = ahead == null ? null
    : ahead === 0 ? words.place.next
    : words.place.ahead[plural(ahead)] || words.place.ahead.other;
  const range = s.state !== "waiting" ? null
    : s.wait_seconds ? wait(s.wait_seconds) : s.reason ? null : words.wait.unknown;
  // What the heading says already is no news.
  const reason = isClosed && s.reason === "closed" ? undefined : words.reasons[s.reason];

  document.body.dataset.state = face;
  document.title = ((count && count + " ") + (label || said.heading)) + " – " + site;
  fill("heading", said.heading);
  fill("text", $("text").dataset[face === "admitted" ? "called" : face] || said.text);
  fill("ahead", count || null);
  fill("ahead-label", count ? label : null);
  $("next").hidden = ahead !== 0;
  $("progress").value = kept.progress;
  $("progress").parentNode.hidden = !inLine || s.progress == null;
  fill("wait", range);
  fill("reason", reason);
  fill("message", s.message);
  fill("number", s.number == null ? null : digits(s.number));
  fill("code", s.code);
  fill("behind", inLine && s.behind != null ? digits(s.behind) : null);
  fill("updated", new Date().toLocaleTimeString(lang));
  $("place").hidden = s.number == null;
  $("keep").hidden = !inLine;
  const way = $(isForm ? "back" : "enter");
  if (way) way.parentNode.hidden = !mayEnter;
  $("offline").hidden = true;

  const news = [said.heading, label && (count + " " + label).trim(), range, reason];
  spoken = spoken || { state: s.state, at: Date.now() };
  speak(s.state, news.filter(Boolean).join(". "));
  if (mayEnter && !entering && !isForm) enter();
  entering = mayEnter;
}

// Loads the address first asked for again; the server lets it through now. Once only: an answer
// that replaces no page, such as a download, must not be fetched over and over. And not within
// five seconds of the last time, should the door disagree with the status.
function enter() {
  const loads = performance.getEntriesByType("navigation");
  const again = loads.length && loads[0].type === "reload";
  setTimeout(() => location.reload(), again ? Math.max(0, 5000 - performance.now()) : 0);
}

// Who keeps joining does not return the cookie. A line whose store is unavailable keeps everybody joining,
// and gives that as its reason.
function checkCookies(s) {
  joining = s.state === "joining" && !s.reason ? joining + 1 : 0;
  return joining >= JOINING_MAX || !navigator.cookieEnabled;
}

// Seconds until the next poll. A delay that is missing or absurd must neither stop nor flood.
function answered(s) {
  show(s, checkCookies(s));
  failures = 0;
  pollAfter = Math.min(Math.max(Number(s.poll_after_seconds) || pollAfter, 1), 600);
  return pollAfter * (0.9 + Math.random() / 5);
}

// Something between half of the doubled interval and all of it, so that a crowd that lost its
// connection together does not come back together. What was shown stays.
function failed(retryAfter) {
  failures += 1;
  if (failures > 1 || !navigator.onLine) {
    $("offline").hidden = false;
    speak("offline", $("offline").textContent);
  }
  const most = Math.min(BACKOFF_MAX_S, Math.max(pollAfter, 2) * 2 ** (failures - 1));
  return Math.max(most * (0.5 + Math.random() / 2), Math.min(retryAfter, BACKOFF_MAX_S));
}

// Runs from the one timer only, which is set again when the answer is in: never two at a time.
async function poll() {
  const mine = request = new AbortController();
  const limit = setTimeout(() => mine.abort(), ANSWER_MS);
  let retryAfter = 0, delay;
  askedAt = Date.now();
  try {
    // A hidden page asks once a minute, whatever it is told: the line keeps its place until then.
    const answer = await fetch(document.hidden ? url + "&hidden=1" : url, {
      credentials: "same-origin",
      cache: "no-store",
      headers: { accept: "application/json" },
      signal: mine.signal
    });
    if (answer.ok) delay = answered(await answer.json());
    // The queue is no more, so nothing stands before the address.
    else if (answer.status === 404) delay = answered({ state: "admitted" });
    else retryAfter = Number(answer.headers.get("retry-after")) || 0;
  } catch (e) {
    // No connection, no answer in time, or none to be understood: a failure, below.
  }
  clearTimeout(limit);
  request = undefined;
  if (woken) delay = 0;
  else if (delay === undefined) delay = failed(retryAfter);
  woken = false;
  timer = setTimeout(poll, delay * 1000);
}

// The visitor is back: timers of a hidden tab run late, those of a sleeping phone not at all. A
// request that slept along will hardly be answered any more.
function wake() {
  const since = Date.now() - askedAt;
  if (!request) {
    clearTimeout(timer);
    timer = setTimeout(poll, Math.max(0, 1000 - since));
  } else if (since > 5000) {
    woken = true;
    request.abort();
  }
}

// The visitor's own choice comes before what the browser asks for.
function offerLanguages() {
  const choice = $("language");
  if (!choice) return;
  for (const [tag, name] of words.languages) {
    const option = new Option(name, tag, false, tag === lang);
    option.lang = tag;
    choice.append(option);
  }
  choice.closest(".row").hidden = false;
  choice.onchange = () => {
    // Secure where that is possible: over HTTPS.
    document.cookie = "sluice_language=" + choice.value + "; path=/; max-age=31536000; samesite=lax"
      + (location.protocol.length > 5 ? "; secure" : "");
    location.reload();
  };
}

try {
  offerLanguages();
  const first = data("status");
  first.message = $("message").textContent || null;
  timer = setTimeout(poll, answered(first) * 1000);
  joining = 0;
  if ($("back")) $("back").onclick = () => history.back();
  document.addEventListener("visibilitychange", () => { if (!document.hidden) wake(); });
  addEventListener("pageshow", (event) => { if (event.persisted) wake(); });
  addEventListener("online", () => { failures = 0; wake(); });
} catch (e) {
  // A browser too old for the above still gets a page that reloads itself.
  if (!isForm) setTimeout(() => location.reload(), 30000);
}
});
