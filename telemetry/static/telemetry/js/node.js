// One node, live: the strip, and sixteen tiles that change their figures and never their size.
import { keepAges, refreshAges, secondsSince } from "../../xfra_portal/js/ages.js";
import { bind } from "../../xfra_portal/js/bind.js";
import { drawCharts } from "../../xfra_portal/js/charts.js";
import * as format from "../../xfra_portal/js/format.js";
import { watch } from "../../xfra_portal/js/live.js";

const page = document.querySelector("[data-node]");
let before = null;

const OLD_MS = 60_000;
function showTiles(gpus, heardAt) {
  // Two may have had one index: the one that spoke last has it now.
  const newest = (gpu) => Math.max(0, ...Object.values(gpu.values).map((told) => Date.parse(told.at)));
  const bySlot = new Map(gpus.toSorted((one, other) => newest(one) - newest(other)).map((gpu) => [String(gpu.slot), gpu]));
  for (const tile of document.querySelectorAll("[data-slot]")) {
    const gpu = bySlot.get(tile.dataset.slot);
    for (const place of tile.querySelectorAll("[data-value]")) {
      const told = gpu?.values[place.dataset.value];
      const text = format[place.dataset.format](told?.value ?? null);
      if (place.textContent !== text) place.textContent = text;
      place.classList.toggle("old", Boolean(told) && Date.parse(heardAt) - Date.parse(told.at) > OLD_MS);
    }
  }
}

// The mean of those that tell, as telemetry/explanation.py has it.
export function busyRatio(gpus) {
  const known = gpus.map((gpu) => gpu.values.utilization_ratio?.value ?? null).filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

// Sentence, tiles' faults and what is old are the server's words: fetched again when something about them changed.
const NODE_TELLS = ["coolant_leak", "enclosure_open"];
const GPU_TELLS = ["xid", "throttle_reasons", "ecc_double_bit_volatile", "row_remap_failed"];
const told = (values, names) => names.map((name) => values[name]?.value ?? null);
export const about = (state) => JSON.stringify([state.state.state, state.state.cause, told(state.values, NODE_TELLS), state.gpus.map((gpu) => [gpu.slot, gpu.uuid, told(gpu.values, GPU_TELLS)])]);

async function retell() {
  const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" }).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const selector of ["[data-why]", ".strip", "[data-tiles]"]) {
    document.querySelector(selector).replaceWith(document.adoptNode(fresh.querySelector(selector)));
  }
}

// Nothing comes from a node that is silent, and yet its page has to grow old: minutes, and what was last known.
const isSilent = () => (secondsSince(document.querySelector(".strip time").getAttribute("datetime")) ?? Infinity) > OLD_MS / 1000;
setInterval(() => { if (!document.hidden && isSilent()) retell(); }, 60_000);

let waiting = null;
function receive(state) {
  bind({ ...state, busy_ratio: busyRatio(state.gpus) });
  refreshAges();
  showTiles(state.gpus, state.heard_at);
  const now = about(state);
  if (before !== null && now !== before) waiting ??= setTimeout(() => { waiting = null; retell(); }, 1500);
  before = now;
}

keepAges();
drawCharts();
watch(page.dataset.node, receive);
