// The homeowner's pages live: the server has drawn everything once, this keeps it current.
import { keepAges, refreshAges, secondsSince } from "./ages.js";
import { bind, lookUp, valueAt } from "./bind.js";
import { watch } from "./live.js";
import { drawCharts } from "./charts.js";
import * as format from "./format.js";

const STALE_SECONDS = 60;
const RESTING_WATTS = 20;
const page = document.querySelector("[data-live]");
let state = null;

function showStreams() {
  const stale = secondsSince(state.heard_at) === null || secondsSince(state.heard_at) > STALE_SECONDS;
  const flow = document.querySelector("[data-flow]");
  if (!flow) return;
  flow.classList.toggle("stale", stale);
  for (const stream of flow.querySelectorAll("[data-stream]")) {
    const watts = valueAt(state, `power.${stream.dataset.stream}`);
    stream.classList.toggle("on", !stale && watts !== null && Math.abs(watts) > RESTING_WATTS);
    stream.classList.toggle("back", watts !== null && watts < 0);
  }
  const battery = valueAt(state, "power.battery_watts");
  const words = battery === null ? "unknown" : battery > RESTING_WATTS ? "charging" : battery < -RESTING_WATTS ? "carrying your home" : "resting";
  const place = flow.querySelector("[data-battery-words]");
  if (place.textContent !== words) place.textContent = words;
}

function showMeters() {
  for (const meter of document.querySelectorAll("[data-meter]")) {
    const part = valueAt(state, meter.dataset.meter);
    const share = part === null ? 0 : Math.max(0, Math.min(100, (100 * part) / Number(meter.dataset.whole)));
    meter.querySelector("rect").setAttribute("width", share.toFixed(1));
  }
}

function showWords() {
  const up = valueAt(state, "internet.home.up");
  const stale = (secondsSince(state.heard_at) ?? Infinity) > STALE_SECONDS;
  const short = document.querySelector("[data-internet]");
  if (short) short.textContent = up === null || stale ? "Unknown" : up > 0 ? "Online" : "Offline";
  const residual = document.querySelector("[data-residual]");
  if (residual) residual.textContent = format.watts(unexplained());
}

function unexplained() {
  const [site, home, node, battery] = ["site", "home", "node", "battery"].map((name) => valueAt(state, `power.${name}_watts`));
  if ([site, home, node, battery].includes(null)) return null;
  return site - home - node - battery + (valueAt(state, "power.solar_watts") ?? 0);
}

// The sentence is the server's: when the state changes, the page's own words are fetched again.
async function retell(before) {
  const now = lookUp(state, "node");
  if (!before || (before.state === now.state && before.cause === now.cause)) return;
  const answer = await fetch(location.href, { credentials: "same-origin" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-story]");
  document.querySelector("[data-story]")?.replaceWith(document.adoptNode(fresh));
}

function receive(payload) {
  const before = state?.node;
  state = payload;
  bind(state);
  refreshAges();
  showStreams();
  showMeters();
  showWords();
  retell(before);
}

for (const time of document.querySelectorAll("time[data-local]")) {
  const options = { weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit", timeZone: time.dataset.local };
  time.textContent = new Intl.DateTimeFormat("en-US", options).format(new Date(time.dateTime));
}
keepAges();
drawCharts();
if (page) {
  watch(page.dataset.live, receive);
  setInterval(() => state && (showStreams(), showWords()), 5000);
}
