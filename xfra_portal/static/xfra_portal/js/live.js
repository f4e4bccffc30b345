// A websocket that comes back: every connection begins with the whole state, so a gap heals itself.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20000;
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

  function open() {
    timer = null;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}${path}`, ["xfra.v1"]);
    socket.onmessage = (event) => {
      wait = FIRST_WAIT_MS;
      onStatus("live");
      onMessage(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      socket = null;
      if (FINAL.has(event.code)) return onStatus(event.code);
      if (document.hidden) return;
      onStatus("lost");
      timer = setTimeout(open, wait * (0.5 + Math.random()));
      wait = Math.min(LONGEST_WAIT_MS, wait * 2);
    };
  }

  // A hidden page asks for nothing; when it is looked at again it starts with a fresh snapshot.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) socket?.close();
    else if (!socket && !timer) open();
  });
  open();
}

export function showStatus(status) {
  const place = document.querySelector("[data-connection]");
  if (!place) return;
  const words = WORDS[status] ?? "";
  if (place.textContent !== words) place.textContent = words;
  place.hidden = !words;
}
