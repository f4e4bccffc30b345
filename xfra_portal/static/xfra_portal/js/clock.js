// Whose clock the console tells: the home's, UTC, or that of whoever looks. One choice for stamps and charts.
//
// <time class="stamp" datetime="..." data-zone="America/Phoenix" data-parts="weekday second">; the server writes UTC, and
// both clocks into the tooltip, for those without scripts. <select data-clock> chooses.

const KEY = "clock";
const mine = Intl.DateTimeFormat().resolvedOptions().timeZone;
const isConsole = document.body.classList.contains("shell-operator");

function chosen() {
  if (!isConsole) return "home";
  try { return localStorage.getItem(KEY) ?? "home"; } catch { return "home"; }
}

// The zone in which something that happened at a home of this zone is told.
export function zoneOf(home) {
  return { UTC: "UTC", mine, home: home || "UTC" }[chosen()] ?? "UTC";
}

const formats = new Map();
function formatOf(zone, parts) {
  const key = `${zone} ${parts}`;
  if (!formats.has(key)) {
    const has = (part) => parts.includes(part);
    formats.set(key, new Intl.DateTimeFormat("en-GB", {
      timeZone: zone, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
      ...(has("weekday") && { weekday: "short" }), ...(has("second") && { second: "2-digit" }), ...(has("year") && { year: "numeric" }),
    }));
  }
  return formats.get(key);
}

function stamp(root = document) {
  for (const time of root.querySelectorAll("time.stamp[datetime]")) {
    const text = formatOf(zoneOf(time.dataset.zone), time.dataset.parts ?? "").format(new Date(time.dateTime)).replaceAll(",", "");
    if (time.textContent !== text) time.textContent = text;
  }
}

if (isConsole) {
  const choice = document.querySelector("[data-clock]");
  if (choice) {
    choice.hidden = false;
    choice.value = chosen();
    choice.addEventListener("change", () => {
      try { localStorage.setItem(KEY, choice.value); } catch { /* nothing is kept: the home's clock stays */ }
      location.reload(); // charts are drawn anew on the other clock
    });
  }
  stamp();
  new MutationObserver(() => stamp()).observe(document.querySelector("main"), { childList: true, subtree: true });
}
