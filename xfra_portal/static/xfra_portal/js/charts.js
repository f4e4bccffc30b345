// Charts: data from the API, Plotly loaded only when one comes into view, a table behind each.
//
// <figure data-chart data-src data-metrics="a,b" data-labels="A,B" data-unit="watts" data-seconds data-zone
//         [data-zero] [data-query="kind=gpu&subjects=..."] [data-stack] [data-group="name"]>
// Labels are of the series in their order, or, as {"GPU-0f3a...": "GPU 7"}, of subjects. Figures of one data-group
// share their crosshair. What is in view is drawn again as often as it can have moved, and says until when it is.
import { timeAxis, valueAxis } from "./axes.js";
import { zoneOf } from "./clock.js";
import * as format from "./format.js";

const FEW = 4;
const TEXT = 12; // pixels of a chart's words
const POINTS = 300; // about as many buckets as the server makes of a range
const SHORTEST_WAIT_MS = 60_000;
let plotly = null;
const drawn = new Map();
const inView = new Set();
const dueAt = new Map();

export function loadPlotly() {
  plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.body.dataset.plotly;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      plotly = null;
      reject(new Error("plotly.js could not be loaded"));
    };
    document.head.append(script);
  });
  return plotly;
}

export function drawCharts(root = document) {
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) inView.add(target);
      else inView.delete(target);
    }
    drawDue();
  }, { rootMargin: "120px" });
  for (const figure of root.querySelectorAll("[data-chart]")) seen.observe(figure);
  const again = () => drawn.forEach((history, figure) => plot(figure, history));
  addEventListener("themechange", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  document.addEventListener("visibilitychange", drawDue);
  setInterval(drawDue, SHORTEST_WAIT_MS / 4);
}

function drawDue() {
  if (document.hidden) return;
  for (const figure of inView) if (Date.now() >= (dueAt.get(figure) ?? 0)) draw(figure);
}

export async function draw(figure) {
  const canvas = figure.querySelector("[data-canvas]");
  canvas.querySelector("[data-drawing]")?.removeAttribute("hidden");
  dueAt.set(figure, Date.now() + Math.max(SHORTEST_WAIT_MS, (1000 * figure.dataset.seconds) / POINTS));
  try {
    const history = await fetchHistory(figure);
    if (hasValues(history)) {
      await plot(figure, history);
      drawn.set(figure, history);
    } else {
      drawn.delete(figure);
      say(canvas, "Nothing was measured in this time. Values appear here as they come in.");
    }
    offerTable(figure, history);
    offerCsv(figure, history);
    sayUntil(figure, history);
  } catch (error) {
    dueAt.set(figure, Date.now() + SHORTEST_WAIT_MS);
    if (drawn.has(figure)) return; // what is drawn stands, and says until when it is
    say(canvas, `This chart could not be drawn (${error.message}). It is tried again in a minute.`);
  }
}

function sayUntil(figure, history) {
  const place = figure.querySelector("[data-until]");
  if (place) place.textContent = `, to ${format.clock(history.end, zoneOf(history.timezone ?? figure.dataset.zone))}`;
}

async function fetchHistory(figure) {
  const query = new URLSearchParams(figure.dataset.query ?? "");
  query.set("metrics", figure.dataset.metrics);
  query.set("start", `-${figure.dataset.seconds}s`);
  const answer = await fetch(`${figure.dataset.src}?${query}`, { credentials: "same-origin", headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return answer.json();
}

// Averages where there are buckets, the values themselves where the answer is raw, increases for counters.
export function valuesOf(series) {
  const candidates = [series.average, series.increase, series.last];
  return candidates.find((values) => values?.some((value) => value !== null)) ?? series.last ?? [];
}

const hasValues = (history) => history.series.some((series) => valuesOf(series).some((value) => value !== null));

function say(canvas, words) {
  const paragraph = document.createElement("p");
  paragraph.className = "chart-empty";
  paragraph.textContent = words;
  if (canvas.data) window.Plotly.purge(canvas);
  canvas.parentElement.querySelector(".chart-key")?.remove();
  canvas.replaceChildren(paragraph);
}

function labelsOf(figure, history) {
  const given = figure.dataset.labels ?? "";
  if (!given.startsWith("{")) {
    const inOrder = given.split(",").filter(Boolean);
    return history.series.map((series, i) => inOrder[i] ?? (series.subject || series.metric));
  }
  const bySubject = JSON.parse(given);
  return history.series.map((series) => bySubject[series.subject] ?? (series.subject || series.metric));
}

// Plotly's own words for the halves of a day are capitals.
const CLOCKS = { en: { format: { periods: ["am", "pm"] } } };
export async function plot(figure, history) {
  const Plotly = await loadPlotly();
  const canvas = figure.querySelector("[data-canvas]");
  if (canvas.querySelector(".chart-empty")) canvas.replaceChildren();
  const look = appearance();
  const local = history.at.map((at) => localClock(at, zoneOf(history.timezone ?? figure.dataset.zone)));
  const labels = labelsOf(figure, history);
  const render = format[figure.dataset.unit] ?? ((value) => String(value));
  const traces = history.series.map((series, i) => trace(series, labels[i], local, lineOf(series, i, look), render, figure));
  await Plotly.react(canvas, traces, layoutOf(figure, history, look, labels), { displayModeBar: false, responsive: true, locales: CLOCKS });
  showKey(figure, traces);
  shareCrosshair(figure, canvas, Plotly);
}

function trace(series, name, x, line, render, figure) {
  const y = valuesOf(series);
  return {
    type: "scatter", mode: "lines", name, x, y, connectgaps: false,
    line: { ...line, width: 1.75, shape: series.shape === "flag" ? "hv" : "linear" },
    stackgroup: "stack" in figure.dataset ? "one" : undefined,
    text: y.map((value) => render(value)), hovertemplate: "%{text}<extra>%{fullData.name}</extra>",
  };
}

// Home, node, battery and sun have the same colour on every page; the rest take turns.
function colourOf(series, i, look) {
  if (!/_watts$|charge_ratio$/.test(series.metric) || series.subject) return look.lines[i % look.lines.length];
  return look.places[series.metric.split("_")[0]] ?? look.lines[i % look.lines.length];
}

// Beyond the colours there are, the same again in dashes.
const DASHES = ["solid", "4px,3px", "1px,3px"];
function lineOf(series, i, look) {
  return { color: colourOf(series, i, look), dash: DASHES[Math.floor(i / look.lines.length) % DASHES.length] };
}

// More series than can carry their names at their ends have a key below.
function showKey(figure, traces) {
  figure.querySelector(".chart-key")?.remove();
  if (traces.length <= FEW) return;
  const key = document.createElement("ul");
  key.className = "chart-key";
  for (const { name, line } of traces) {
    const item = document.createElement("li");
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    mark.setAttribute("viewBox", "0 0 20 4");
    mark.setAttribute("aria-hidden", "true");
    const stroke = document.createElementNS("http://www.w3.org/2000/svg", "path");
    for (const [attribute, value] of [["d", "M0 2H20"], ["stroke", line.color], ["stroke-width", "2"]]) stroke.setAttribute(attribute, value);
    if (line.dash !== "solid") stroke.setAttribute("stroke-dasharray", line.dash.replaceAll("px", ""));
    mark.append(stroke);
    item.append(mark, name);
    key.append(item);
  }
  figure.querySelector("[data-canvas]").after(key);
}

const TICK_EMS = 4.2; // room for one tick of the time axis
function layoutOf(figure, history, look, labels) {
  const few = labels.length <= FEW && labels.length > 1;
  const margin = { l: 64, r: few ? 84 : 28, t: 8, b: 32 };
  const canvas = figure.querySelector("[data-canvas]");
  const inside = canvas.clientWidth - margin.l - margin.r;
  const span = [history.start, history.end].map((at) => localClock(at, zoneOf(history.timezone ?? figure.dataset.zone)));
  const time = timeAxis(...span, Math.max(2, Math.floor(inside / (TICK_EMS * TEXT))));
  const values = valueAxis(figure.dataset.unit, ...extremes(figure, history), "zero" in figure.dataset);
  return {
    margin, showlegend: false, hovermode: "x unified", dragmode: false,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: look.muted, size: TEXT, family: look.font },
    hoverlabel: { bgcolor: look.surface, bordercolor: look.line, font: { color: look.text } },
    xaxis: { gridcolor: look.line, linecolor: look.line, zeroline: false, showspikes: true, spikemode: "across", spikethickness: 1, spikecolor: look.muted, spikedash: "solid",
      type: "date", range: span, tickvals: time.values, ticktext: time.texts, tickangle: 0, hoverformat: "%a %-d %b, %-I:%M %p" },
    yaxis: { gridcolor: look.line, zeroline: true, zerolinecolor: look.line, rangemode: "zero" in figure.dataset ? "tozero" : "normal", nticks: 5, fixedrange: true,
      ...(values && { range: values.range, tickvals: values.values, ticktext: values.texts }) },
    annotations: few && values ? directLabels(history, labels, look, values.range, canvas.clientHeight - margin.t - margin.b) : [],
  };
}

// Lowest and highest of what is drawn; of a stack, of its sums.
function extremes(figure, history) {
  const series = history.series.map(valuesOf);
  const known = "stack" in figure.dataset
    ? history.at.map((_, i) => series.reduce((sum, values) => sum + (values[i] ?? 0), 0))
    : series.flat().filter((value) => value !== null && value !== undefined);
  return known.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

// A few series carry their names at their right end instead of in a legend, each a line below the one above it.
const LINE_PIXELS = 14;
function directLabels(history, labels, look, [low, high], height) {
  const ends = history.series.map((series, i) => ({ i, value: valuesOf(series).findLast((value) => value !== null) ?? null }));
  let above = Infinity;
  return ends.filter((end) => end.value !== null).sort((a, b) => b.value - a.value).map(({ i, value }) => {
    const own = ((value - low) / (high - low)) * height;
    above = Math.min(own, above - LINE_PIXELS);
    return { xref: "paper", x: 1, xanchor: "left", y: value, yanchor: "middle", yshift: above - own, showarrow: false, text: labels[i], font: { color: colourOf(history.series[i], i, look), size: TEXT }, xshift: 6 };
  });
}

// Plotly knows no zones: it is given the home's wall clock. A repeated autumn hour is drawn over itself.
const clocks = new Map();
export function localClock(instant, zone) {
  if (!clocks.has(zone)) {
    clocks.set(zone, new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" }));
  }
  return clocks.get(zone).format(new Date(instant));
}

function shareCrosshair(figure, canvas, Plotly) {
  const group = figure.dataset.group;
  if (!group || canvas.dataset.linked) return;
  canvas.dataset.linked = "yes";
  const others = () => [...document.querySelectorAll(`[data-chart][data-group="${group}"] [data-canvas]`)].filter((c) => c !== canvas && c.data);
  canvas.on("plotly_hover", (event) => {
    if (!event.event) return;
    for (const other of others()) {
      try { Plotly.Fx.hover(other, { xval: event.xvals?.[0] ?? event.points[0].x }); } catch { /* a chart without that instant */ }
    }
  });
  canvas.on("plotly_unhover", () => others().forEach((other) => Plotly.Fx.unhover(other)));
}

// The table of the server names subjects as the API does; where the page has better names its heading says them.
function offerCsv(figure, history) {
  const link = figure.querySelector("[data-csv]");
  if (!link || !(figure.dataset.labels ?? "").startsWith("{")) return;
  const labels = labelsOf(figure, history);
  link.onclick = async (event) => {
    event.preventDefault();
    const answer = await fetch(link.href, { credentials: "same-origin" }).catch(() => null);
    if (!answer?.ok) return location.assign(link.href);
    const [heading, ...rows] = (await answer.text()).split("\n");
    const named = history.series.reduce((text, { subject }, i) => (subject ? text.replaceAll(`.${subject}.`, `.${labels[i]}.`) : text), heading);
    save(new Blob([[named, ...rows].join("\n")], { type: "text/csv" }), nameOf(answer));
  };
}

const nameOf = (answer) => /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "history.csv";

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), SHORTEST_WAIT_MS);
}

const TABLE_ROWS = 400;
function offerTable(figure, history) {
  const details = figure.querySelector("[data-table]");
  if (!details) return;
  const fill = () => details.open && fillTable(figure, history); // thousands of cells wait until somebody asks
  details.ontoggle = fill;
  fill();
}

export function fillTable(figure, history) {
  const place = figure.querySelector("[data-table] .table-scroll");
  const render = format[figure.dataset.unit] ?? String;
  const zone = zoneOf(history.timezone ?? figure.dataset.zone);
  const table = document.createElement("table");
  table.className = "plain";
  const head = table.createTHead().insertRow();
  for (const label of [`Time (${zone})`, ...labelsOf(figure, history)]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = label;
    head.append(cell);
  }
  const columns = history.series.map(valuesOf);
  const body = table.createTBody();
  const first = Math.max(0, history.at.length - TABLE_ROWS);
  for (let i = history.at.length - 1; i >= first; i -= 1) {
    const row = body.insertRow();
    row.insertCell().textContent = localClock(history.at[i], zone);
    for (const values of columns) row.insertCell().textContent = values[i] === null || values[i] === undefined ? "no reading" : render(values[i]);
  }
  const note = document.createElement("p");
  note.className = "small muted";
  note.textContent = first ? `The newest ${TABLE_ROWS} of ${history.at.length} values; the CSV has all of them.` : "";
  place.replaceChildren(table, note);
}

// Tokens are OKLCH; Plotly understands rgb, so one pixel is painted and read back.
function rgb(name) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  context.fillRect(0, 0, 1, 1);
  const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
  return `rgb(${r},${g},${b})`;
}

function appearance() {
  return {
    text: rgb("--color-text"), muted: rgb("--color-muted"), line: rgb("--color-line"), surface: rgb("--color-surface"),
    lines: ["--flow-home", "--flow-node", "--flow-battery", "--state-paused", "--state-slower", "--state-down"].map(rgb),
    places: { home: rgb("--flow-home"), node: rgb("--flow-node"), battery: rgb("--flow-battery"), solar: rgb("--flow-solar"), site: rgb("--flow-grid") },
    font: getComputedStyle(document.body).fontFamily,
  };
}
