// The homeowner's pages live: the server has drawn everything once, this keeps it current.
import { keepAges, refreshAges } from "./ages.js";
import { bind, valueAt } from "./bind.js";
import { casesOf, isFresh } from "./cases.js";
import { drawCharts } from "./charts.js";
import { keepFlowCalm, showFlow } from "./flow.js";
import * as format from "./format.js";
import { hasLostTouch, isQuiet, watch } from "./live.js";

const TICK_MS = 5000;
const RETRY_MS = 20_000;
const MINUTE_MS = 60_000;
const page = document.querySelector("[data-live]");
let state = page ? JSON.parse(page.dataset.snapshot) : null;

function showMeters() {
  for (const meter of document.querySelectorAll("[data-meter]")) {
    const part = valueAt(state, meter.dataset.meter);
    const share = part === null ? 0 : Math.max(0, Math.min(100, (100 * part) / Number(meter.dataset.whole)));
    meter.querySelector("rect").setAttribute("width", share.toFixed(1));
  }
}

// Of each choice of sentences (the tag `told`) the one that is true.
function tell(cases) {
  for (const place of document.querySelectorAll("[data-told]")) {
    const { told, figure, unit } = place.dataset;
    const text = place.dataset[cases[told]].replace("{}", figure ? format[unit](valueAt(state, figure)) : "");
    if (place.textContent !== text) place.textContent = text;
    if (place.dataset.case !== cases[told]) place.dataset.case = cases[told];
  }
}

// What remembers or counts is the server's ([data-retold]): fetched again when what it is about has changed, and each
// minute while it counts the minutes of something that lasts.
const ABOUT = ["grid", "internet", "leak", "cabinet"];
let about = null;
let retoldAt = Date.now();
let hasFailed = false;
function retellIfDue(cases) {
  if (document.hidden) return;
  const isQuiet = cases.heard === "before" || (state.node.as_of !== null && !isFresh(state.node.as_of));
  const lasts = isQuiet || cases.grid === "down" || cases.internet === "down";
  const now = JSON.stringify([state.node.state, state.node.cause, isQuiet, ...ABOUT.map((name) => cases[name])]);
  about ??= now;
  if (hasFailed) loseTouch();
  const wait = hasFailed ? RETRY_MS : now !== about ? TICK_MS : lasts ? MINUTE_MS : Infinity;
  if (Date.now() - retoldAt < wait) return;
  [about, retoldAt] = [now, Date.now()];
  retell();
}

async function retell() {
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", signal: AbortSignal.timeout(20_000) });
    if (!answer.ok || answer.redirected) throw new Error(`the server answered ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-retold]")) {
      const now = fresh.querySelector(`[data-retold="${part.dataset.retold}"]`);
      if (now) part.replaceWith(document.adoptNode(now));
    }
    hasFailed = false;
    receive(JSON.parse(fresh.querySelector("[data-live]").dataset.snapshot));
  } catch {
    hasFailed = true;
    loseTouch();
  }
}

// Nobody answers: the last story is not left standing as if it were today's.
let isLost = false;
function loseTouch() {
  const story = document.querySelector('[data-retold="story"]');
  if (!story || !state.node.as_of || (isFresh(state.node.as_of) && !hasLostTouch())) return;
  isLost = true;
  const since = format.clock(state.node.as_of, page.dataset.zone, "long");
  if (story.querySelector("[data-since]")?.textContent === since) return;
  const words = document.querySelector("template[data-out-of-touch]").content.cloneNode(true);
  words.querySelector("[data-since]").textContent = since;
  story.dataset.state = "unknown";
  story.replaceChildren(words);
}

const showPower = (cases) => showFlow(state, cases.heard !== "now" || isQuiet());

function show() {
  const cases = casesOf(state);
  showPower(cases);
  tell(cases);
  retellIfDue(cases);
}

// The path itself: what moves stops at once, and the story is of then.
function showTouch() {
  if (document.hidden) return;
  showPower(casesOf(state));
  if (hasLostTouch()) loseTouch();
}

function receive(payload) {
  state = payload;
  if (isLost && !hasLostTouch()) {
    isLost = false;
    retell();
  }
  bind(state);
  refreshAges();
  showMeters();
  show();
}

keepAges();
drawCharts();
if (page) {
  keepFlowCalm();
  show();
  watch(page.dataset.live, receive);
  setInterval(show, TICK_MS);
  setInterval(showTouch, 1000);
  for (const event of ["offline", "online"]) addEventListener(event, showTouch);
}
