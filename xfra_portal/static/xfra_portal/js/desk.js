// Moves a month's progress while workers close it, and shows the whole page anew when they have done.
import { refreshAges } from "./ages.js";

const EVERY_MS = 1500;
const part = document.querySelector("[data-refresh]");

// Somebody who is choosing or typing is not interrupted.
function isBusy() {
  return document.querySelector("input[type=checkbox]:checked") !== null || document.activeElement?.matches("input, textarea");
}

async function refresh() {
  if (document.hidden) return true;
  const answer = await fetch(part.dataset.refresh, { credentials: "same-origin" });
  if (!answer.ok) return true;
  const found = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-stamp]");
  if (!found) return false; // signed out
  const shown = part.querySelector("[data-stamp]");
  if (found.outerHTML !== shown.outerHTML) shown.replaceWith(found);
  refreshAges(part);
  if (found.dataset.moves === "yes") return true;
  if (!isBusy()) location.reload();
  return false;
}

async function watch() {
  let goesOn = true;
  try {
    goesOn = await refresh();
  } catch { /* the network is away: ask again */ }
  if (goesOn) setTimeout(watch, EVERY_MS);
}

if (part) setTimeout(watch, EVERY_MS);
