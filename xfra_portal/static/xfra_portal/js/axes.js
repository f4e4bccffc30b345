// An axis as people read it: one unit from end to end, a space before it, round steps; clock times and days as in sentences.

// By unit of the values: what one of the axis' units is, the largest first. The first that fits the values is taken.
const SCALES = {
  watts: [[1e6, "MW"], [1e3, "kW"], [1, "W"]],
  bits_per_second: [[1e9, "Gb/s"], [1e6, "Mb/s"]],
  milliseconds: [[1e-3, "ms"]], // of seconds
  ratio: [[0.01, "%"]],
  celsius: [[1, "°C"]],
  amperes: [[1, "A"]],
  hertz: [[1e9, "GHz"], [1e6, "MHz"]],
  bytes: [[2 ** 30, "GiB"]],
};
const ROUND = [1, 2, 2.5, 5, 10];
const STEPS = 4;

function roundStep(rough) {
  const scale = 10 ** Math.floor(Math.log10(rough));
  return scale * ROUND.find((round) => round * scale >= rough * (1 - 1e-9));
}

// {range, values, texts} for values from `low` to `high`; null for a unit that has no axis of its own.
export function valueAxis(unit, low, high, fromZero) {
  const scales = SCALES[unit];
  if (!scales || !Number.isFinite(low) || !Number.isFinite(high)) return null;
  if (unit === "ratio" && low >= 0 && high <= 1) return percentAxis();
  const [bottom, top] = fromZero ? [Math.min(0, low), Math.max(0, high)] : [low, high];
  const largest = Math.max(Math.abs(bottom), Math.abs(top));
  const [size, word] = scales.find(([one]) => largest >= one) ?? scales.at(-1);
  const step = roundStep((top - bottom || largest || size) / size / STEPS);
  const first = Math.floor(bottom / size / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(top / size / step - 1e-9));
  const counted = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)) + (step / 10 ** Math.floor(Math.log10(step)) === 2.5 ? 1 : 0);
  const texts = counted.map((number) => `${written(number, step < 1 || step % 1 ? digits : 0)} ${word}`);
  return { range: [counted[0] * size, counted.at(-1) * size], values: counted.map((number) => number * size), texts };
}

function percentAxis() {
  const values = [0, 0.25, 0.5, 0.75, 1];
  return { range: [0, 1.02], values, texts: values.map((part) => `${part * 100} %`) };
}

function written(number, digits) {
  const text = Math.abs(number).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return (number < 0 && Number(text.replaceAll(",", "")) ? "−" : "") + text;
}

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const TIMES = [MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY];

// Of wall clocks "2026-11-30 06:00:00", with no more ticks than `most`.
export function timeAxis(start, end, most) {
  const [from, to] = [start, end].map((wall) => Date.parse(`${wall.replace(" ", "T")}Z`));
  const step = TIMES.find((one) => (to - from) / one <= most) ?? TIMES.at(-1);
  const values = [], texts = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    values.push(new Date(at).toISOString().slice(0, 19).replace("T", " "));
    texts.push(step >= DAY || at % DAY === 0 ? dayText(at) : clockText(at));
  }
  return { values, texts };
}

const inUtc = (options) => new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" });
const days = inUtc({ day: "numeric", month: "short" });
const dayText = (at) => days.format(at);

function clockText(at) {
  const date = new Date(at);
  const [hour, minute] = [date.getUTCHours(), date.getUTCMinutes()];
  return `${hour % 12 || 12}${minute ? `:${String(minute).padStart(2, "0")}` : ""} ${hour < 12 ? "am" : "pm"}`;
}
