// A websocket that comes back: every connection begins with the whole state, so a gap heals itself.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20000;
// The server says something at least every 20 s; a path that dies in silence (sleep, another network) never closes.
const LONGEST_SILENCE_MS = 60000;
const LOOK_MS = 5000;
const FINAL = new Set([4401, 4403, 4404]);
const WORDS = {
  lost: "Connection lost. Trying again…",
  4401: "You are signed out. Reload the page to sign in.",
  4403: "You no longer have access to this page.",
  4404: "This page's live view does not exist any more.",
};

// `status` is "live", "lost" or a final close code.
export function watch(path, onMessage, onStatus = showStatus) {
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
      heardAt = Date.now();
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
  setInterval(() => { if (socket && Date.now() - heardAt > LONGEST_SILENCE_MS) again(); }, LOOK_MS);
  if (!document.hidden) open();
}

export function showStatus(status) {
  const place = document.querySelector("[data-connection]");
  if (!place) return;
  const words = WORDS[status] ?? "";
  if (place.textContent !== words) place.textContent = words;
  place.hidden = !words;
}
