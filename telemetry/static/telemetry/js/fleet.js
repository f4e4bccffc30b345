// The fleet, live: one canvas per group draws every node; totals are summed as telemetry/views/fleet.py sums.
import { keepAges, refreshAges, secondsSince } from "../../xfra_portal/js/ages.js";
import * as format from "../../xfra_portal/js/format.js";
import { watch } from "../../xfra_portal/js/live.js";
import { Grid } from "./grid.js";

const STATES = ["working", "slower", "making_room", "paused", "service", "down", "unknown"];
const WORDS = { making_room: "making room", service: "being serviced" };
const ASK_MS = 20_000;
const FORGET_MS = 60_000;
// What is left of a cell that the portal has not told of for so long.
const FORGOTTEN = { state: "unknown", cause: "portal not heard", utilization_ratio: null, node_watts: null, spare_watts: null, hottest_celsius: null };
const page = document.querySelector("[data-fleet]");
const summary = document.querySelector("[data-summary]");
let held = null;
let grids = [];
let shown = new Map();
const toldAt = new Map();

// What the server's page says: the cells of each group, in the order in which they are drawn.
function read(root) {
  const { columns, groups, left_out: leftOut, state } = JSON.parse(root.getElementById("cells").textContent);
  const cellOf = (row) => Object.fromEntries(row.map((value, i) => [columns[i], value]));
  held = { cells: Object.fromEntries(Object.entries(groups).map(([group, rows]) => [group, rows.map(cellOf)])), leftOut: new Set(leftOut), state };
  for (const cell of Object.values(held.cells).flat()) toldAt.set(cell.node, Date.now());
}

function build() {
  for (const grid of grids) grid.leave();
  const open = (cell) => { location.href = `/fleet/nodes/${cell.hostname}/`; };
  grids = [...document.querySelectorAll("[data-grid]")].map((canvas) => new Grid(canvas, held.cells[canvas.dataset.grid], say, open));
  shown = new Map(grids.flatMap((grid) => grid.cells.map((cell) => [cell.node, cell])));
}

function say(cell) {
  if (!cell) return;
  const heard = cell.heard_at ? format.age(secondsSince(cell.heard_at)) : "never";
  const cause = cell.cause ? ` (${cell.cause.replaceAll("_", " ")})` : "";
  const words = `${cell.hostname}: ${WORDS[cell.state] ?? cell.state}${cause}, ${cell.gpus_seen} of ${cell.gpus_expected} GPUs, ${format.ratio(cell.utilization_ratio)} busy, ${format.watts(cell.node_watts)}, hottest GPU ${format.celsius(cell.hottest_celsius)}, heard ${heard}.`;
  if (summary.textContent !== words) summary.textContent = words;
}

// A sum of what is known; where nothing is, it is unknown and not zero.
export function totalsOf(cells) {
  const known = (key) => cells.map((cell) => cell[key]).filter((value) => value !== null);
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const sumOf = (key) => (known(key).length ? sum(known(key)) : null);
  const busy = known("utilization_ratio");
  return {
    nodes: cells.length, gpus_seen: sum(cells.filter((cell) => cell.state !== "unknown").map((cell) => cell.gpus_seen)), gpus_expected: sum(known("gpus_expected")),
    watts: sumOf("node_watts"), spare_watts: sumOf("spare_watts"),
    busy_ratio: busy.length ? sum(busy) / busy.length : null,
    ...Object.fromEntries(STATES.map((state) => [state, cells.filter((cell) => cell.state === state).length])),
  };
}

const RENDER = { watts: format.watts, spare_watts: format.watts, busy_ratio: format.ratio };
function show() {
  for (const grid of grids) grid.draw();
  const cells = [...shown.values()];
  const totals = totalsOf(cells);
  for (const place of document.querySelectorAll("[data-totals] [data-total]")) {
    const key = place.dataset.total;
    const text = (RENDER[key] ?? ((value) => value.toLocaleString("en-US")))(totals[key]);
    if (place.textContent !== text) place.textContent = text;
    if (STATES.includes(key)) place.closest("[data-state]").classList.toggle("none", totals[key] === 0);
  }
  const newest = cells.map((cell) => cell.heard_at).filter(Boolean).sort().at(-1);
  document.querySelector("[data-totals] time")?.setAttribute("datetime", newest ?? "");
  refreshAges();
}

// The page as the server would draw it now: what needs somebody, which nodes there are, and the table.
async function ask() {
  const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" }).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const selector of ["[data-needs]", ".fleet-table tbody"]) replace(selector, fresh);
  const order = () => JSON.stringify(Object.values(held.cells).map((cells) => cells.map((cell) => cell.node)));
  const before = order();
  read(fresh);
  if (order() === before) for (const cell of Object.values(held.cells).flat()) Object.assign(shown.get(cell.node), cell);
  else rebuild(fresh);
  show();
}

// Only where it says something else, so that nobody who reads or tabs through it is thrown out.
function replace(selector, fresh) {
  const bare = (element) => {
    const copy = element.cloneNode(true);
    for (const time of copy.querySelectorAll("time")) time.textContent = "";
    for (const details of copy.querySelectorAll("details")) details.removeAttribute("open");
    return copy.innerHTML;
  };
  const [mine, theirs] = [document.querySelector(selector), fresh.querySelector(selector)];
  if (bare(mine) === bare(theirs)) return;
  if (mine.querySelector(".portal-alarms[open]")) theirs.querySelector(".portal-alarms")?.setAttribute("open", "");
  mine.replaceWith(document.adoptNode(theirs));
}

function rebuild(fresh) {
  const node = grids.map((grid) => grid.current?.node).find(Boolean);
  document.querySelector("[data-grids]").replaceWith(document.adoptNode(fresh.querySelector("[data-grids]")));
  build();
  for (const grid of grids) grid.focusOn(node);
}

let timer = null;
function askSoon() {
  timer ??= setTimeout(() => { timer = null; ask(); }, 1500);
}

// Ought this node, which is not drawn, to be?
const belongs = (cell) => !held.leftOut.has(cell.node) && (!held.state || cell.state === held.state);

const WATCHED = ["state", "cause", "gpus_seen", "coolant_leak", "enclosure_open"];
function receive(payload) {
  for (const fresh of payload.cells) {
    const cell = shown.get(fresh.node);
    if (cell ? WATCHED.some((key) => cell[key] !== fresh[key]) : belongs(fresh)) askSoon();
    if (!cell) continue;
    Object.assign(cell, fresh);
    toldAt.set(fresh.node, Date.now());
  }
  show();
}

// The portal itself may have fallen silent: then nothing that is drawn here is known any more.
function forget() {
  const old = [...shown.values()].filter((cell) => cell.cause !== FORGOTTEN.cause && Date.now() - toldAt.get(cell.node) > FORGET_MS);
  if (!old.length) return;
  for (const cell of old) Object.assign(cell, FORGOTTEN);
  show();
}

addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, select, textarea")) return;
  event.preventDefault();
  document.getElementById("q").focus();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
setInterval(() => { if (!document.hidden) ask(); }, ASK_MS);
setInterval(forget, 5000);
keepAges();
read(document);
build();
// The console may be blind: it says since when.
const nothingSince = (seconds, at) => `The console has heard nothing since ${format.clock(at)} (${seconds} s).`;
if (page.dataset.fleet) watch(page.dataset.fleet, receive, nothingSince);
