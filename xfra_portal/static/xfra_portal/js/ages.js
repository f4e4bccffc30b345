// Keeps the text of <time data-age datetime="..."> true while the page is open.
import { age } from "./format.js";

const PREFIX = (element) => (element.dataset.age ? `${element.dataset.age} ` : "");

export function secondsSince(instant) {
  return instant ? Math.max(0, (Date.now() - Date.parse(instant)) / 1000) : null;
}

export function refreshAges(root = document) {
  for (const element of root.querySelectorAll("time[data-age]")) {
    const at = element.getAttribute("datetime");
    const text = PREFIX(element) + (at ? age(secondsSince(at)) : "never");
    if (element.textContent !== text) element.textContent = text;
  }
}

export function keepAges() {
  refreshAges();
  setInterval(refreshAges, 1000);
}
