// @ts-check
// Parts of pages. Text is always set as text.

/** @param {string} name @param {Record<string, string>} [attributes] @param {...(Node | string)} children */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Seconds in words. @param {number} seconds */
export function span(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 120;

/** A plot of the last samples, with its figures in a table behind it. @param {string} title */
export function plot(title) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "plot");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const area = document.createElementNS(SVG, "path");
  area.setAttribute("class", "area");
  const curve = document.createElementNS(SVG, "path");
  curve.setAttribute("class", "curve");
  const bound = document.createElementNS(SVG, "path");
  bound.setAttribute("class", "bound");
  svg.append(area, curve, bound);
  const caption = element("p", { class: "muted" });
  const rows = element("tbody");
  const table = element("details", {}, element("summary", {}, `${title} as a table`),
    element("table", {}, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Ago"), element("th", { scope: "col" }, title))), rows));
  return {
    element: element("div", {}, element("h2", {}, title), svg, caption, table),
    /** @param {number[]} values @param {number | null} most */
    show(values, most) {
      const top = Math.max(1, most ?? 0, ...values) * 1.05;
      const x = (/** @type {number} */ at) => (values.length < 2 ? WIDTH : (at / (values.length - 1)) * WIDTH).toFixed(1);
      const y = (/** @type {number} */ value) => (HEIGHT - (value / top) * HEIGHT).toFixed(1);
      const points = values.map((value, at) => `${x(at)} ${y(value)}`).join(" L");
      curve.setAttribute("d", values.length ? `M${points}` : "");
      area.setAttribute("d", values.length ? `M0 ${HEIGHT} L${points} L${WIDTH} ${HEIGHT} Z` : "");
      bound.setAttribute("d", most === null || most === undefined ? "" : `M0 ${y(most)} L${WIDTH} ${y(most)}`);
      const highest = values.length ? Math.max(...values) : 0;
      caption.textContent = `Highest in the last ${span(values.length * 2)}: ${highest.toLocaleString()}${most ? `; bound ${most.toLocaleString()}` : ""}`;
      if (!(/** @type {HTMLDetailsElement} */ (table).open)) return;
      const shown = values.map((value, at) => [(values.length - 1 - at) * 2, value]).filter(([ago]) => ago % 60 < 2).reverse();
      rows.replaceChildren(...shown.map(([ago, value]) => element("tr", {}, element("td", {}, span(ago)), element("td", {}, value.toLocaleString()))));
    },
  };
}
