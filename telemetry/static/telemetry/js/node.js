// One node, live: the strip, and sixteen tiles that change their figures and never their size.
import { keepAges, refreshAges } from "../../xfra_portal/js/ages.js";
import { bind } from "../../xfra_portal/js/bind.js";
import { drawCharts } from "../../xfra_portal/js/charts.js";
import * as format from "../../xfra_portal/js/format.js";
import { watch } from "../../xfra_portal/js/live.js";

const page = document.querySelector("[data-node]");
let before = null;

function showTiles(gpus) {
  const bySlot = new Map(gpus.map((gpu) => [String(gpu.slot), gpu]));
  for (const tile of document.querySelectorAll("[data-slot]")) {
    const gpu = bySlot.get(tile.dataset.slot);
    for (const place of tile.querySelectorAll("[data-value]")) {
      const text = format[place.dataset.format](gpu?.values[place.dataset.value]?.value ?? null);
      if (place.textContent !== text) place.textContent = text;
    }
  }
}

// Sentence, tiles' faults and lists are the server's words: fetched again when something about them changed.
const about = (state) => JSON.stringify([state.state.state, state.state.cause, state.gpus.map((gpu) => [gpu.slot, gpu.values.xid?.value, gpu.values.throttle_reasons?.value])]);
async function retell() {
  const answer = await fetch(location.href, { credentials: "same-origin" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const selector of ["[data-why]", ".tiles"]) {
    document.querySelector(selector).replaceWith(document.adoptNode(fresh.querySelector(selector)));
  }
}

let waiting = null;
function receive(state) {
  bind(state);
  refreshAges();
  showTiles(state.gpus);
  const now = about(state);
  if (before !== null && now !== before) waiting ??= setTimeout(() => { waiting = null; retell(); }, 1500);
  before = now;
}

keepAges();
drawCharts();
watch(page.dataset.node, receive);
