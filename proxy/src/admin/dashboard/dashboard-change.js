// @ts-check
// The box in which a queue is changed: what the file says, what is set, what a change would do, and the way back.
import { ask, Failure } from "/dashboard-api.js";
import { element, span } from "/dashboard-parts.js";

const MODES = {
  auto: "auto: a line if needed",
  hold: "hold: none is called",
  drain: "drain, then open",
  closed: "closed: none joins",
  open: "open: all are let in",
};
const SPANS = { "30m": "30 minutes", "1h": "1 hour", "4h": "4 hours", "1d": "1 day", "7d": "7 days" };

/** @param {{path: string, name: string, may: string[], changed: () => Promise<void>}} options */
export function changeBox({ path, name, may, changed }) {
  const mayWrite = may.includes("queue:write");
  /** @type {any} */
  let now = null;
  const input = (/** @type {string} */ type) => /** @type {HTMLInputElement} */ (element("input", type === "number" ? { type, min: "1", max: "1000000", inputmode: "numeric" } : { type }));
  const rate = input("number");
  const seats = input("number");
  const message = /** @type {HTMLTextAreaElement} */ (element("textarea", { maxlength: "500" }));
  const mode = /** @type {HTMLSelectElement} */ (element("select", {}, ...Object.entries(MODES).map(([value, words]) => element("option", { value }, words))));
  const lasts = /** @type {HTMLSelectElement} */ (element("select", {}, ...Object.entries(SPANS).map(([value, words]) => element("option", { value }, words))));
  lasts.value = "4h";
  const reason = input("text");
  reason.maxLength = 500;
  const hints = { rate: element("small"), seats: element("small"), mode: element("small"), message: element("small") };
  const preview = element("p", { class: "preview", role: "status" });
  const problem = element("p", { role: "alert" });
  const set = element("p", { class: "muted" });
  const hold = element("button", { type: "button", class: "danger", id: "hold" }, "Hold");
  const apply = element("button", { class: "main" }, "Change");
  const undo = element("button", { type: "button" }, "Undo");
  const clear = element("button", { type: "button" }, "Back to the file");
  const field = (/** @type {string} */ label, /** @type {HTMLElement} */ control, /** @type {HTMLElement} */ hint) => element("label", {}, label, control, hint);
  const form = element("form", {},
    element("div", { class: "fields" },
      field("Visitors a minute", rate, hints.rate),
      field("Seats", seats, hints.seats),
      field("Mode", mode, hints.mode),
      field("For", lasts, element("small", {}, "then as in the file"))),
    field("Message to those who wait", message, hints.message),
    field("Reason, for the log", reason, element("small")),
    preview, problem,
    element("div", { class: "row" }, apply, undo, clear));
  const box = element("section", {},
    element("h2", {}, "Change"),
    set,
    element("div", { class: "row" }, hold, element("span", { class: "muted" }, "Takes effect at once. Press h to come here.")),
    form);

  /** What the form asks for beyond what the file says. */
  function wanted() {
    const file = now.data.file;
    const differs = (/** @type {any} */ value, /** @type {any} */ filed) => (value === filed ? null : value);
    const number = (/** @type {HTMLInputElement} */ from) => (from.value === "" ? null : Number(from.value));
    return {
      release_per_minute: differs(number(rate), file.release_per_minute),
      max_active: differs(number(seats), file.max_active),
      mode: differs(mode.value, file.mode),
      message: differs(message.value.trim() || null, file.message),
      for: lasts.value,
      reason: reason.value.trim() || null,
    };
  }

  let asked = 0;
  async function foresee() {
    const mine = (asked += 1);
    try {
      const answer = await ask("POST", `${path}/override/preview`, wanted());
      if (mine === asked) preview.textContent = answer.data.words;
    } catch (failure) {
      if (mine === asked) preview.textContent = failure instanceof Failure ? failure.message : "";
    }
  }

  /** @param {() => Promise<any>} change */
  async function attempt(change) {
    problem.className = "";
    problem.textContent = "";
    for (const button of box.querySelectorAll("button")) button.disabled = true;
    try {
      await change();
      reason.value = "";
      await changed();
    } catch (failure) {
      problem.className = "notice";
      if (failure instanceof Failure && failure.status === 412) {
        const other = failure.data?.override;
        problem.textContent = `${other?.actor ?? "Somebody"} has changed this queue meanwhile. Below is what holds now; change it again if you still want to.`;
        await changed();
      } else {
        problem.textContent = failure instanceof Failure ? `${failure.message}. ${failure.hint}` : "No connection to the node.";
      }
    }
    for (const button of box.querySelectorAll("button")) button.disabled = !mayWrite;
    undo.disabled ||= !now.data.undo;
    clear.disabled ||= !now.data.override;
  }

  const patch = (/** @type {any} */ body) => ask("PATCH", `${path}/override`, body, { "If-Match": now.etag });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => patch(wanted()));
  });
  form.addEventListener("input", () => { foresee(); });
  hold.addEventListener("click", () => attempt(() => patch(now.data.effective.mode === "hold"
    ? { mode: now.data.file.mode === "hold" ? "auto" : null, for: lasts.value }
    : { mode: "hold", for: lasts.value })));
  undo.addEventListener("click", () => attempt(() => ask("POST", `${path}/override/undo`, {}, { "If-Match": now.etag })));
  clear.addEventListener("click", () => attempt(() => ask("DELETE", `${path}/override`, undefined, { "If-Match": now.etag })));

  return {
    element: box,
    /** @param {any} answer */
    show(answer) {
      now = answer;
      const { file, effective, override } = answer.data;
      rate.value = effective.release_per_minute;
      seats.value = effective.max_active ?? "";
      mode.value = effective.mode;
      message.value = effective.message ?? "";
      hints.rate.textContent = `file: ${file.release_per_minute.toLocaleString()}`;
      hints.seats.textContent = `file: ${file.max_active?.toLocaleString() ?? "no bound"}`;
      hints.mode.textContent = `file: ${file.mode}`;
      hints.message.textContent = `file: ${file.message ?? "none"}`;
      hold.textContent = effective.mode === "hold" ? "Go on" : "Hold";
      hold.setAttribute("aria-label", `${hold.textContent} ${name}`);
      set.textContent = override
        ? `Set by ${override.actor}${override.reason ? ` (${override.reason})` : ""}; ${override.until ? `ends in ${span((Date.parse(override.until) - Date.now()) / 1000)}` : "does not end by itself"}.`
        : "As in the tenant's file.";
      for (const control of box.querySelectorAll("button, input, select, textarea")) /** @type {any} */ (control).disabled = !mayWrite;
      undo.disabled = !mayWrite || !answer.data.undo;
      clear.disabled = !mayWrite || !override;
      foresee();
    },
  };
}
