// @ts-check
// What the dashboard asks of the API.

/**
 * @typedef {{waiting: number, called: number, inside: number, called_last_minute: number, called_total: number,
 *   issued: number, head: number, epoch: number, standing: boolean, reason: string | null,
 *   wait_seconds: {low: number, high: number} | null, store_up: boolean, age_ms: number}} Live
 */

/** What the API refused, and why. */
export class Failure extends Error {
  /** @param {number} status @param {any} body @param {string | null} etag */
  constructor(status, body, etag) {
    const error = body?.errors?.[0];
    super(error?.message ?? `the node answered ${status}`);
    this.status = status;
    this.code = error?.code ?? "";
    this.hint = error?.hint ?? "";
    this.data = body?.data ?? null;
    this.etag = etag;
  }
}

/** @param {string} method @param {string} path @param {any} [body] @param {Record<string, string>} [headers] */
export async function ask(method, path, body, headers = {}) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const read = await answer.json().catch(() => null);
  if (!answer.ok) throw new Failure(answer.status, read, answer.headers.get("ETag"));
  return { data: read.data, metadata: read.metadata, etag: answer.headers.get("ETag") };
}

/** @param {string} token */
export const login = (token) => ask("POST", "/login", { token });
/** The company's own login, if there is one. @returns {Promise<{name: string, start: string} | null>} */
export const issuer = () => ask("GET", "/login").then((answer) => answer.data.issuer, () => null);
export const logout = () => ask("POST", "/logout", {});

/** Follows all queues. @param {(update: any) => void} each @param {() => void} alive */
export function watch(each, alive) {
  const source = new EventSource("/v1/live");
  source.onopen = alive;
  source.addEventListener("queue_updated", (event) => each(JSON.parse(event.data)));
  source.addEventListener("alive", alive);
  source.onerror = () => {
    // A stream that was refused is not opened again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => watch(each, alive), 5000);
  };
}
