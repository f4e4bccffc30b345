// The picture of the power: wires as wide as the watts in them, and dots that run along them, the faster the more.
// Dots move only while somebody can see them: not off screen, not hidden, not once the page has been left alone, and
// never over figures that are no longer current.
import { valueAt } from "./bind.js";
import { RESTING_WATTS } from "./cases.js";

export const IDLE_MS = 120_000;
const SIGNS_OF_LIFE = ["pointerdown", "pointermove", "keydown", "scroll", "touchstart"];
// From so many watts on, the next wider and faster pace; flow.css has one rule for each.
const PACES = [500, 2000, 6000];

export const paceOf = (watts) => PACES.filter((from) => Math.abs(watts) >= from).length;

// The grid's path, as all of them, is drawn from the panel outwards: what comes in runs backwards on it.
const INWARDS = new Set(["site_watts"]);

export function showFlow(state, isStale) {
  const flow = document.querySelector("[data-flow]");
  if (!flow) return;
  flow.classList.toggle("stale", isStale);
  for (const stream of flow.querySelectorAll("[data-stream]")) {
    const watts = valueAt(state, `power.${stream.dataset.stream}`);
    const isOn = !isStale && watts !== null && Math.abs(watts) > RESTING_WATTS;
    stream.classList.toggle("on", isOn);
    if (!isOn) continue;
    stream.classList.toggle("back", watts < 0 !== INWARDS.has(stream.dataset.stream));
    stream.dataset.pace = paceOf(watts);
  }
}

// `moves` on the picture is what the dots' animation depends on.
export function keepFlowCalm() {
  const flow = document.querySelector("[data-flow]");
  if (!flow) return;
  let isSeen = false;
  let isIdle = false;
  let timer = null;
  const decide = () => flow.classList.toggle("moves", isSeen && !isIdle && !document.hidden);
  const wake = () => {
    clearTimeout(timer);
    timer = setTimeout(() => { isIdle = true; decide(); }, IDLE_MS);
    if (!isIdle) return;
    isIdle = false;
    decide();
  };
  new IntersectionObserver(([entry]) => { isSeen = entry.isIntersecting; decide(); }).observe(flow);
  document.addEventListener("visibilitychange", decide);
  for (const sign of SIGNS_OF_LIFE) addEventListener(sign, wake, { passive: true });
  wake();
}
