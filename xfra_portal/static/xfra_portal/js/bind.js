// Fills what the server has drawn already: <b data-bind="power.home_watts" data-format="watts">2.6 kW</b>.
// <span data-if="power.solar_watts"> is shown where there is something to say: not for nothing, not for unknown.
// A bound reading is {value, at} or null; a plain number or string is taken as it is.
import * as format from "./format.js";

export function lookUp(state, path) {
  return path.split(".").reduce((found, key) => (found === null || found === undefined ? null : found[key]), state) ?? null;
}

export function valueAt(state, path) {
  const found = lookUp(state, path);
  return found !== null && typeof found === "object" && "value" in found ? found.value : found;
}

export function bind(state, root = document) {
  for (const element of root.querySelectorAll("[data-bind]")) {
    const value = valueAt(state, element.dataset.bind);
    const render = format[element.dataset.format];
    const text = render ? render(value) : String(value ?? "unknown");
    if (element.textContent !== text) element.textContent = text;
  }
  for (const element of root.querySelectorAll("[data-if]")) element.hidden = !valueAt(state, element.dataset.if);
  for (const element of root.querySelectorAll("time[data-bind-at]")) {
    const found = lookUp(state, element.dataset.bindAt);
    const at = typeof found === "string" ? found : (found?.at ?? "");
    element.setAttribute("datetime", at);
  }
}
