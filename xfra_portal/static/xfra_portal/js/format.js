// Numbers as people read them. xfra_portal/formats.py says the same; a test compares the two.

const UNKNOWN = "unknown";

function halfUp(value, digits) {
  const scale = 10 ** digits;
  const magnitude = Math.floor(Math.abs(value) * scale + 0.5 + 1e-9) / scale;
  const text = magnitude.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return (value < 0 && magnitude ? "−" : "") + text;
}

const known = (render) => (value) => (value === null || value === undefined ? UNKNOWN : render(value));
const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

export const watts = known((v) => {
  const size = Math.abs(v);
  if (size < 999.5) return `${halfUp(v, 0)} W`;
  return size < 999500 ? `${halfUp(v / 1e3, 1)} kW` : `${halfUp(v / 1e6, 2)} MW`;
});
export const watt_hours = known((v) => `${halfUp(v / 1000, Math.abs(v) < 1e5 ? 1 : 0)} kWh`);
export const bits_per_second = known((v) =>
  Math.abs(v) < 999.5e6 ? `${halfUp(v / 1e6, Math.abs(v) < 9.95e6 ? 1 : 0)} Mb/s` : `${halfUp(v / 1e9, 1)} Gb/s`);
export const ratio = known((v) => `${halfUp(v * 100, 0)} %`);
export const fine_ratio = known((v) => `${halfUp(v * 100, 2)} %`);
export const celsius = known((v) => `${halfUp(v, 0)} °C`);
export const amperes = known((v) => `${halfUp(v, 0)} A`);
export const milliseconds = known((v) => `${halfUp(v * 1e3, Math.abs(v) < 0.00995 ? 1 : 0)} ms`);
export const decibels = known((v) => `${halfUp(v, 0)} dB`);
const LOUDNESS = [[35, "like a whisper"], [45, "like a library"], [52, "like a refrigerator"], [58, "like a quiet talk"], [66, "like a talk across a table"]];
export const loudness = known((v) => (LOUDNESS.find(([below]) => v < below) ?? [0, "like a vacuum cleaner"])[1]);
export const hours = known((v) => (v < 1.5 ? `${halfUp(v * 60, 0)} min` : `${halfUp(v, 0)} h`));
export const hertz = known((v) => (v < 999.5e6 ? `${halfUp(v / 1e6, 0)} MHz` : `${halfUp(v / 1e9, 2)} GHz`));
export const gibibytes = known((v) => `${halfUp(v / 2 ** 30, 1)} GiB`);
export const bytes = gibibytes;

// A local instant: 6:02 pm, with `day` Tuesday 6:02 pm.
export function clock(instant, timeZone, day = undefined) {
  const options = { weekday: day, hour: "numeric", minute: "2-digit", timeZone };
  return new Intl.DateTimeFormat("en-US", options).format(new Date(instant)).replace(/.[AP]M$/, (half) => ` ${half.slice(1).toLowerCase()}`);
}

export function age(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "never";
  if (seconds < 59.5) return `${Math.max(0, Math.floor(seconds + 0.5))} s ago`;
  if (seconds < 3570) return `${count(Math.floor(seconds / 60 + 0.5), "minute")} ago`;
  if (seconds < 84600) return `${count(Math.floor(seconds / 3600 + 0.5), "hour")} ago`;
  return `${count(Math.floor(seconds / 86400 + 0.5), "day")} ago`;
}
