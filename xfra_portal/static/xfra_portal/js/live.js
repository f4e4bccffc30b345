// A websocket that comes back: every connection begins with the whole state, so a gap heals itself.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20000;
// The server says something at least every 8 s; a path that dies in silence (sleep, another network) never closes.
const QUIET_MS = 10000;
const LONGEST_SILENCE_MS = 25000;
const LOOK_MS = 1000;
const FINAL = new Set([4401, 4403, 4404]);
const WORDS = {
  lost: "Connection lost. Trying again…",
  4401: "You are signed out. Reload the page to sign in.",
  4403: "You no longer have access to this page.",
  4404: "This page's live view does not exist any more.",
};

// When the server said something last; at first, when it drew the page.
let spokeAt = Date.now();
export const quietSeconds = () => Math.floor((Date.now() - spokeAt) / 1000);
// Whether what is shown may be of before: the browser says that it is offline, or nothing has come for ten seconds.
export const isQuiet = () => navigator.onLine === false || Date.now() - spokeAt >= QUIET_MS;
export const hasLostTouch = () => navigator.onLine === false || Date.now() - spokeAt >= LONGEST_SILENCE_MS;

const noWord = (seconds) => `No word for ${seconds} s.`;

// `tellQuiet` words how long nothing has come: seconds, and since when.
export function watch(path, onMessage, tellQuiet = noWord) {
  let status = "live";
  let wait = FIRST_WAIT_MS;
  let socket = null;
  let timer = null;
  let heardAt = 0;
  let isOver = false;

  function open() {
    leave();
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const mine = new WebSocket(`${scheme}//${location.host}${path}`, ["xfra.v1"]);
    socket = mine;
    heardAt = Date.now();
    mine.onmessage = (event) => {
      if (socket !== mine) return;
      wait = FIRST_WAIT_MS;
      heardAt = spokeAt = Date.now();
      onStatus("live");
      const message = JSON.parse(event.data);
      if (message.type !== "still_here") onMessage(message);
    };
    mine.onclose = (event) => {
      if (socket !== mine) return;
      socket = null;
      isOver = FINAL.has(event.code);
      if (isOver) return onStatus(event.code);
      onStatus("lost");
      timer = setTimeout(open, wait * (0.5 + Math.random()));
      wait = Math.min(LONGEST_WAIT_MS, wait * 2);
    };
  }

  function onStatus(now) {
    status = now;
    show();
  }

  function show() {
    const isOffline = navigator.onLine === false;
    const words = isQuiet() && !FINAL.has(status) ? tellQuiet(quietSeconds(), spokeAt) : "";
    const trying = status === "lost" && !isOffline ? WORDS.lost : "";
    showStatus(FINAL.has(status) ? WORDS[status] : [isOffline ? "You are offline." : "", words, words ? trying.replace("Connection lost. ", "") : trying].filter(Boolean).join(" "));
  }

  // Not waiting for its end: on a dead path even that takes minutes.
  function leave() {
    clearTimeout(timer);
    timer = null;
    const last = socket;
    socket = null;
    last?.close();
  }

  function again() {
    if (isOver || document.hidden) return;
    onStatus("lost");
    open();
  }

  // A hidden page asks for nothing; when it is looked at again it starts with a fresh snapshot.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) leave();
    else if (!isOver) open();
  });
  addEventListener("online", again);
  addEventListener("offline", show);
  setInterval(() => {
    if (socket && Date.now() - heardAt > LONGEST_SILENCE_MS) again();
    else if (!document.hidden) show();
  }, LOOK_MS);
  if (!document.hidden) open();
}

function showStatus(words) {
  const place = document.querySelector("[data-connection]");
  if (!place) return;
  if (place.textContent !== words) place.textContent = words;
  place.hidden = !words;
}
