// Waits in line for a web app: `fetch` that comes back once the site has answered.
//
//   import { waitingFetch } from "./client.mjs";
//   const fetchInLine = waitingFetch({ onStatus: (status) => show(status) });
//   const answer = await fetchInLine("/api/cart", { method: "POST", body: "…" });
//
// Plain JavaScript for browsers, without anything else. The place in line lives in cookies, which the browser keeps; an app
// on another host of its own needs `[cors]` with `credentials` in the tenant's file.

/** The line is closed, full, or its place has been taken along to another device: there is nothing to wait for. */
export class NotInLine extends Error {
  constructor(status) {
    super("not in line: " + (status.reason || status.state));
    this.status = status;
  }
}

const POLL_MAX_S = 600;
const RETRY_MAX_S = 60;

/**
 * Options, all of which may be left out:
 * `onStatus(status)` hears of each status document; `signal` stops the waiting; `patient` waits before a closed or a full
 * line as well; `fetch` is used in place of the browser's, and `sleep(seconds)` in place of its timers.
 */
export function waitingFetch({ onStatus = () => {}, signal, patient = false, fetch = globalThis.fetch, sleep = pause } = {}) {
  return async function (input, init = {}) {
    for (;;) {
      const answer = await fetch(input, { credentials: "same-origin", ...init, signal: init.signal || signal });
      const status = await waits(answer);
      if (!status) return answer;
      onStatus(status);
      await inLine(new URL(answer.url), status);
    }
  };

  // Until the visitor may enter.
  async function inLine(url, status) {
    const document = new URL("/.sluice/status?queue=" + encodeURIComponent(status.queue), url);
    let failures = 0;
    while (status.state !== "called" && status.state !== "admitted") {
      const isShut = status.state === "closed" || status.state === "full" || status.reason === "closed";
      if (status.reason === "moved" || (isShut && !patient)) throw new NotInLine(status);
      await sleep(delay(status, failures), signal);
      try {
        const answer = await fetch(document, { credentials: "same-origin", headers: { accept: "application/json" }, signal });
        // The queue is no more, so nothing stands before the site.
        if (answer.status === 404) return;
        if (!answer.ok) throw new Error("status " + answer.status);
        status = await answer.json();
        failures = 0;
        onStatus(status);
      } catch (error) {
        if (signal && signal.aborted) throw error;
        failures += 1;
      }
    }
  }
}

/** The status document of an answer that says to wait; undefined of any other. */
async function waits(answer) {
  const type = answer.headers.get("content-type") || "";
  if (answer.status !== 429 || !type.startsWith("application/problem+json")) return undefined;
  const problem = await answer.clone().json();
  return String(problem.type).startsWith("urn:sluice:problem:") ? problem.sluice : undefined;
}

// As told, and up to a tenth more. After a failure twice as long each time, less up to half by chance, so that a crowd
// that lost its connection together does not come back together.
function delay(status, failures) {
  const told = Math.min(Math.max(Number(status.poll_after_seconds) || 5, 1), POLL_MAX_S);
  if (!failures) return told * (1 + Math.random() / 10);
  return Math.min(RETRY_MAX_S, told * 2 ** failures) * (0.5 + Math.random() / 2);
}

function pause(seconds, signal) {
  return new Promise((done, failed) => {
    const timer = setTimeout(done, seconds * 1000);
    if (signal) {
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        failed(signal.reason);
      }, { once: true });
    }
  });
}
