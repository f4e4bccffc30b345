// Which of a few sentences is true of a home right now. xfra_portal/homeowner/cases.py says the same; a test compares the two.
import { secondsSince } from "./ages.js";
import { lookUp } from "./bind.js";

export const STALE_SECONDS = 60;
export const RESTING_WATTS = 20;

export const isFresh = (at) => (secondsSince(at) ?? Infinity) <= STALE_SECONDS;

function fresh(state, path) {
  const reading = lookUp(state, path);
  return reading !== null && isFresh(reading.at) ? reading.value : null;
}

const flag = (value, on, off) => (value === null ? "unknown" : value > 0 ? on : off);
const danger = (state, path, on, off) => (lookUp(state, path)?.value > 0 ? on : flag(fresh(state, path), on, off));

// It carries the home where the grid is away and the home draws power: else it just gives.
function battery(watts, grid, homeWatts) {
  if (watts === null) return "unknown";
  if (watts > RESTING_WATTS) return "charging";
  if (watts < -RESTING_WATTS) return grid === "down" && homeWatts > RESTING_WATTS ? "carrying" : "giving";
  return "resting";
}

function backup(hours, charge, grid) {
  if (hours === null) return "unknown";
  if (charge === null) return "before";
  return grid === "down" ? "carrying" : "ready";
}

// What is older than a minute is known no more; only danger stands until it is known to be over.
export function casesOf(state) {
  const grid = flag(fresh(state, "power.grid_up"), "up", "down");
  return {
    heard: state.heard_at === null ? "never" : isFresh(state.heard_at) ? "now" : "before",
    internet: flag(fresh(state, "internet.home.up"), "up", "down"),
    grid,
    leak: danger(state, "safety.coolant_leak", "wet", "dry"),
    cabinet: danger(state, "safety.enclosure_open", "open", "closed"),
    battery: battery(fresh(state, "power.battery_watts"), grid, fresh(state, "power.home_watts")),
    backup: backup(lookUp(state, "battery.backup_hours_now"), fresh(state, "battery.charge_ratio"), grid),
  };
}
