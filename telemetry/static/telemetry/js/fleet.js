// The fleet, live: one canvas per group draws every node; totals are summed as telemetry/views/fleet.py sums.
import { keepAges, refreshAges, secondsSince } from "../../xfra_portal/js/ages.js";
import * as format from "../../xfra_portal/js/format.js";
import { watch } from "../../xfra_portal/js/live.js";
import { Grid } from "./grid.js";

const STATES = ["working", "slower", "making_room", "paused", "service", "down", "unknown"];
const WORDS = { making_room: "making room", service: "being serviced" };
const page = document.querySelector("[data-fleet]");
const summary = document.querySelector("[data-summary]");
const held = JSON.parse(document.getElementById("cells").textContent);
const cellsOf = (group) => held.groups[group].map((row) => Object.fromEntries(row.map((value, i) => [held.columns[i], value])));
const grids = [...document.querySelectorAll("[data-grid]")].map((canvas) =>
  new Grid(canvas, cellsOf(canvas.dataset.grid), say, (cell) => { location.href = `/fleet/nodes/${cell.hostname}/`; }));
const shown = new Map(grids.flatMap((grid) => grid.cells.map((cell) => [cell.node, cell])));

function say(cell) {
  if (!cell) return;
  const heard = cell.heard_at ? format.age(secondsSince(cell.heard_at)) : "never";
  const cause = cell.cause ? ` (${cell.cause.replaceAll("_", " ")})` : "";
  const words = `${cell.hostname}: ${WORDS[cell.state] ?? cell.state}${cause}, ${cell.gpus_seen} of ${cell.gpus_expected} GPUs, ${format.ratio(cell.utilization_ratio)} busy, ${format.watts(cell.node_watts)}, hottest GPU ${format.celsius(cell.hottest_celsius)}, heard ${heard}.`;
  if (summary.textContent !== words) summary.textContent = words;
}

export function totalsOf(cells) {
  const busy = cells.map((cell) => cell.utilization_ratio).filter((value) => value !== null);
  const sum = (key) => cells.reduce((total, cell) => total + (cell[key] ?? 0), 0);
  return {
    nodes: cells.length, gpus_seen: sum("gpus_seen"), gpus_expected: sum("gpus_expected"),
    watts: sum("node_watts"), spare_watts: sum("spare_watts"),
    busy_ratio: busy.length ? busy.reduce((a, b) => a + b, 0) / busy.length : null,
    ...Object.fromEntries(STATES.map((state) => [state, cells.filter((cell) => cell.state === state).length])),
  };
}

const RENDER = { watts: format.watts, spare_watts: format.watts, busy_ratio: format.ratio };
function showTotals() {
  const cells = [...shown.values()];
  const totals = totalsOf(cells);
  for (const place of document.querySelectorAll("[data-total]")) {
    const key = place.dataset.total;
    const text = (RENDER[key] ?? ((value) => value.toLocaleString("en-US")))(totals[key]);
    if (place.textContent !== text) place.textContent = text;
    if (STATES.includes(key)) place.closest("[data-state]").classList.toggle("none", totals[key] === 0);
  }
  const newest = cells.map((cell) => cell.heard_at).filter(Boolean).sort().at(-1);
  document.querySelector("[data-totals] time")?.setAttribute("datetime", newest ?? "");
  refreshAges();
}

// The list of what needs somebody is the server's; it is fetched again when a state or a sensor changed.
let timer = null;
function askAgain() {
  timer ??= setTimeout(async () => {
    timer = null;
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector("[data-needs]").replaceWith(document.adoptNode(fresh.querySelector("[data-needs]")));
    document.querySelector(".fleet-table tbody").replaceWith(document.adoptNode(fresh.querySelector(".fleet-table tbody")));
  }, 1500);
}

// What the portal itself needs somebody for comes over no socket.
setInterval(() => { if (!document.hidden) askAgain(); }, 20_000);

const WATCHED = ["state", "cause", "gpus_seen", "coolant_leak", "enclosure_open"];
function receive(payload) {
  for (const fresh of payload.cells) {
    const cell = shown.get(fresh.node);
    if (!cell) continue;
    if (WATCHED.some((key) => cell[key] !== fresh[key])) askAgain();
    Object.assign(cell, fresh);
  }
  for (const grid of grids) grid.draw();
  showTotals();
}

addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, select, textarea")) return;
  event.preventDefault();
  document.getElementById("q").focus();
});
keepAges();
watch(page.dataset.fleet, receive);
