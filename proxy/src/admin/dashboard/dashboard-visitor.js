// @ts-check
// The box in which support finds one visitor by what the page shows, and can end the visit.
import { ask, Failure } from "/dashboard-api.js";
import { element, span } from "/dashboard-parts.js";

const STATES = {
  waiting: "waits in line",
  called: "was called and may enter",
  inside: "is inside",
  lapsed: "was called and did not enter: is called again after loading the page",
  ended: "the visit was ended",
  spent: "the number is of no use any more: the visitor has to join again",
};

/** A moment as people say it. @param {string | null} at */
const clock = (at) => (at ? new Date(at).toLocaleTimeString() : "not known");

/** @param {any} found @returns {[string, string][]} */
function facts(found) {
  /** @type {[string, string][]} */
  const all = [["Number", `${found.number.toLocaleString()} (${found.code})`], ["Handed out", clock(found.numbered)]];
  if (found.state === "waiting") {
    all.push(["Ahead", found.ahead.toLocaleString()]);
    if (found.wait_seconds) all.push(["Wait", `${span(found.wait_seconds.low)} to ${span(found.wait_seconds.high)}`]);
    all.push(["The page", found.present ? "asks as it should" : found.seen_lately ? "is late, or hidden" : "has not asked for 90 s"]);
  }
  if (found.state === "called") all.push(["Has heard of it", found.heard ? "yes" : "no"]);
  if (found.inside_since) all.push(["Inside since", clock(found.inside_since)]);
  if (found.seat_until) all.push(["Seat kept until", clock(found.seat_until)]);
  return all;
}

/** @param {{path: string, may: string[], changed: () => Promise<void>}} options */
export function visitorBox({ path, may, changed }) {
  const code = /** @type {HTMLInputElement} */ (element("input", { type: "text", autocomplete: "off", spellcheck: "false", required: "" }));
  const answer = element("div", { role: "status" });
  const form = element("form", {},
    element("label", {}, "Number or code, as the page shows it", code),
    element("div", { class: "row" }, element("button", {}, "Find")),
    answer);
  const box = element("section", { hidden: "" }, element("h2", {}, "A visitor"), form);
  box.hidden = !may.includes("session:read");

  const problem = (/** @type {any} */ failure) => {
    const words = failure instanceof Failure ? `${failure.message}. ${failure.hint}` : "No connection to the node.";
    answer.replaceChildren(element("p", { class: "notice" }, words));
  };

  async function find() {
    const { data } = await ask("GET", `${path}/visitors/${encodeURIComponent(code.value.trim())}`);
    const rows = facts(data).map(([name, value]) => element("tr", {}, element("th", { scope: "row", class: "text" }, name), element("td", { class: "text" }, value)));
    answer.replaceChildren(
      element("p", {}, element("strong", {}, `This visitor ${STATES[data.state] ?? data.state}.`)),
      element("table", {}, element("tbody", {}, ...rows)));
    if (!may.includes("session:write") || !["called", "inside", "lapsed"].includes(data.state)) return;
    const end = /** @type {HTMLButtonElement} */ (element("button", { type: "button", class: "danger" }, "End this visit"));
    end.addEventListener("click", async () => {
      end.disabled = true;
      try {
        await ask("POST", `${path}/sessions/${data.number}/end`, {});
        answer.replaceChildren(element("p", {}, "The seat is free, and the pass is void at every node within a second."));
        await changed();
      } catch (failure) {
        problem(failure);
      }
    });
    answer.append(element("div", { class: "row" }, end));
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await find();
    } catch (failure) {
      problem(failure);
    }
  });
  return { element: box };
}
