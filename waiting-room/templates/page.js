// Keeps the waiting page true: asks where the visitor stands, shows it, enters when called.
//
// The same script runs in every page, byte for byte, because the page's policy names its hash.
// What differs is data: words, the first status and, on the body, queue, site and kind of page.
// It stands in the part of the page that all visitors share, so it begins once the rest is there.
// Plain ES2017: a browser that cannot parse this would leave its owner on a page that never moves.
// Comments stand on lines of their own and strings in double quotes; see `compact` in assets.rs.
const root = document.documentElement;
// Nothing is painted before there is room for what may come, unless the rest of the page is late.
const hide = (is) => root.hidden = is;
hide(true);
setTimeout(hide, 1e3);
document.addEventListener("DOMContentLoaded", () => {
hide();
const $ = (id) => document.getElementById(id);
const lang = root.lang;
// A notice has no line behind it.
if (!$("status")) return;
const data = (id) => JSON.parse($(id).textContent);
const words = data("words");
const { queue, form, closed = "closed" } = document.body.dataset;
const site = document.querySelector(".site").textContent;
const isForm = form !== undefined;
const url = "/.sluice/status?queue=" + encodeURIComponent(queue);
const ANSWER_MS = 15000;
// A visitor not seen for 90 s may count as gone, so even a failing page asks once a minute.
const BACKOFF_MAX_S = 60;
const JOINING_MAX = 3;
const SPEAK_MS = 30000;
// Long enough to hear what happens and to say that it is too soon; the seat waits for longer.
const ENTER_AFTER_S = 10;
const HURRY_S = 20;

// The best seen with this number: what is shown never gets worse, whichever node answers.
let kept = { number: null, ahead: null, progress: 0 };
let pollAfter = 5, failures = 0, joining = 0, entering = false;
let timer, request, askedAt = 0, woken = false, over = false;
let spoken;
// The visitor's turn, while it lasts: when the page enters, until when the seat waits, what has been done.
let turn, opens, skew = 0, audio, drawn;

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
    : s.reason === "moved" ? "moved"
    : s.state === "called" && s.reason === "lapsed" ? "missed" : s.state;
  over = face === "moved";
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
  takeTurn(face === "called" && !isForm, s.enter_within_seconds);
  opens = face === "not_open" && s.opens_at;
  if (s.server_time) skew = s.server_time * 1000 - Date.now();
  fill("text", turn && turn.waits ? words.page.ready
    : $("text").dataset[face === "admitted" ? "called" : face] || said.text);
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
  if ($("take")) $("carry").hidden = face !== "cookies";
  const way = $(isForm ? "back" : "enter");
  if (way) way.parentNode.hidden = !mayEnter;
  $("offline").hidden = true;
  drawIcon(turn ? "!" : ahead == null ? "" : ahead < 1e3 ? ahead : ahead < 1e6 ? Math.floor(ahead / 1e3) + "k" : "1M");
  tick();

  const news = [said.heading, label && (count + " " + label).trim(), range, reason];
  spoken = spoken || { state: s.state, at: Date.now() };
  speak(s.state, news.filter(Boolean).join(". "));
  entering = mayEnter && entering;
  if (mayEnter && !turn && !entering && !isForm) enter();
}

// Enters after a moment, or when the visitor says so. A page that nobody looks at enters at once, unless it is to call.
function takeTurn(isTurn, withinS) {
  if (!isTurn) turn = null;
  else if (!turn) {
    turn = { enterAt: Date.now() + (document.hidden && !audio ? 0 : ENTER_AFTER_S * 1000) };
    alarm();
  }
  if (turn && withinS != null) turn.until = Date.now() + withinS * 1000;
  const pause = $("pause");
  if (pause) pause.hidden = !turn || turn.waits;
}

// Hours, minutes and seconds.
function span(s) {
  const parts = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60];
  if (!parts[0]) parts.shift();
  return parts.map((n, nth) => nth ? String(n).padStart(2, "0") : n).join(":");
}

// Once a second: what is left.
function tick() {
  const now = Date.now(), page = words.page;
  const secondsTo = (at) => Math.max(0, Math.ceil((at - now) / 1000));
  let label = null, left = "";
  if (turn && turn.waits) {
    label = page.left;
    left = turn.until ? span(secondsTo(turn.until)) : "";
    if (left && secondsTo(turn.until) <= HURRY_S && !turn.hurried) {
      turn.hurried = true;
      speak("hurry", label + " " + left);
    }
  } else if (turn) {
    label = page.entering.replace("{seconds}", digits(secondsTo(turn.enterAt)));
    if (now >= turn.enterAt && !turn.entered) {
      turn.entered = true;
      enter();
    }
  } else if (opens) {
    const s = secondsTo(opens * 1000 - skew);
    label = page.opens;
    left = new Date(opens * 1000).toLocaleString(lang, { dateStyle: "medium", timeStyle: "short" })
      + (s ? " · " + span(s) : "");
  }
  fill("left-label", label);
  fill("left", label && left);
}

// The place in the tab's picture; nothing is loaded for it.
function drawIcon(text) {
  const link = document.querySelector("link[rel=icon]");
  if (text === drawn) return;
  drawn = text;
  link.href = "data:,";
  if (text === "") return;
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
  const colour = (name) => getComputedStyle(document.body).getPropertyValue(name);
  canvas.width = canvas.height = 64;
  pen.fillStyle = colour("--accent");
  pen.fillRect(0, 0, 64, 64);
  pen.fillStyle = colour("--on");
  pen.font = "bold 40px sans-serif";
  pen.textAlign = "center";
  pen.fillText(text, 32, 46, 60);
  link.href = canvas.toDataURL();
}

// Three tones, a buzz and a notification, for those who have asked for it.
function alarm(tones = 3) {
  if (!audio) return;
  for (let nth = 0; nth < tones; nth++) {
    const tone = audio.createOscillator(), at = audio.currentTime + nth / 2;
    tone.frequency.value = 880;
    tone.connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.2);
  }
  if (tones < 3) return;
  if (navigator.vibrate) navigator.vibrate([200, 100, 200]);
  try {
    new Notification(words.states.called.heading + " – " + site);
  } catch (e) {
    // Not allowed, or not there.
  }
}

function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.onclick = () => act(made);
  return made;
}

// What only a script can do has its buttons from the script. Browsers let a page sound once it has been pressed.
function offerChoices() {
  const pause = button(words.page.wait, () => {
    if (turn) turn.waits = entering = true;
    pause.hidden = true;
    fill("text", words.page.ready);
    tick();
  });
  pause.id = "pause";
  pause.hidden = true;
  $("enter").after(pause);
  const Audio = window.AudioContext;
  if (!Audio) return;
  const chime = button(words.page.chime, () => {
    if (audio) audio.close();
    audio = audio ? null : new Audio();
    alarm(1);
    if (audio && window.Notification) Notification.requestPermission();
    chime.setAttribute("aria-pressed", !!audio);
    chime.textContent = audio ? words.page.chime_on : words.page.chime;
  });
  chime.setAttribute("aria-pressed", false);
  $("place").prepend(chime);
}

// Room for the longest that one place may come to say, so that nothing moves when it does.
function keepRoom() {
  const all = Object.values(words.states);
  const ghost = document.createElement("div");
  ghost.className = "ghost";
  for (const part of ["heading", "text"]) {
    const line = document.createElement("p");
    line.className = part;
    line.textContent = all.reduce((longest, said) => said[part].length > longest.length ? said[part] : longest, "");
    ghost.append(line);
  }
  document.querySelector(".stack").append(ghost);
  $("offline").textContent = words.page.offline;
  $("keep").textContent = words.page.keep;
  $("next").textContent = words.place.next;
}

// Loads the address first asked for again; the server lets it through now. Once only: an answer
// that replaces no page, such as a download, must not be fetched over and over. And not within
// five seconds of the last time, should the door disagree with the status.
function enter() {
  entering = true;
  const [came] = performance.getEntriesByType("navigation");
  setTimeout(() => location.reload(), came && came.type === "reload" ? Math.max(0, 5000 - performance.now()) : 0);
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
  return Math.max(most * (1 + Math.random()) / 2, Math.min(retryAfter, BACKOFF_MAX_S));
}

// The place may have gone to another device. To ask again would be to join anew.
function after(delay) {
  if (!over) timer = setTimeout(poll, delay * 1000);
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
  after(delay);
}

// The visitor is back: timers of a hidden tab run late, those of a sleeping phone not at all. A
// request that slept along will hardly be answered any more.
function wake() {
  if (over) return;
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
  for (const tag of words.languages.split(" ")) {
    let name = tag;
    try {
      name = new Intl.DisplayNames([tag], { type: "language" }).of(tag);
    } catch (e) {
      // An older browser shows the tag.
    }
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

// The link and its code come into this page, which goes on asking. Without the script they are a page of their own.
function offerMove() {
  const form = $("go");
  if (!form) return;
  const row = $("along").lastElementChild;
  form.onsubmit = async (event) => {
    event.preventDefault();
    let piece;
    try {
      const answer = await fetch(form.action, { method: "POST" });
      if (answer.ok) piece = await answer.text();
    } catch (e) {
      // Said below.
    }
    if (piece) row.outerHTML = piece;
    else row.lastElementChild.textContent = words.page.failed;
  };
}

try {
  keepRoom();
  offerLanguages();
  if (!isForm) offerChoices();
  const first = data("status");
  first.message = $("message").textContent || null;
  after(answered(first));
  joining = 0;
  offerMove();
  setInterval(tick, 1000);
  if ($("back")) $("back").onclick = () => history.back();
  document.addEventListener("visibilitychange", () => { if (!document.hidden) wake(); });
  addEventListener("pageshow", (event) => { if (event.persisted) wake(); });
  addEventListener("online", () => { failures = 0; wake(); });
} catch (e) {
  // A browser too old for the above still gets a page that reloads itself.
  if (!isForm) setTimeout(() => location.reload(), 30000);
}
});
