// Nodes as cells on one canvas: colour and shape for the state, fill height for how busy its GPUs are.

const MARK = 26; // the size of a cell that the marks are drawn for
const TOKENS = { working: "--state-working", slower: "--state-slower", making_room: "--state-making-room", paused: "--state-paused", service: "--state-service", down: "--state-down", unknown: "--state-unknown" };

export class Grid {
  // Its canvas lies in a node-grid (grid_room.js), which knows how large the cells are.
  constructor(canvas, cells, onFocus, onOpen) {
    Object.assign(this, { canvas, cells, onFocus, onOpen, at: -1 });
    this.context = canvas.getContext("2d");
    this.size = new ResizeObserver(() => this.resize());
    this.size.observe(canvas.parentElement);
    this.over = new AbortController();
    const { signal } = this.over;
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => this.move(Math.max(0, this.at)));
    canvas.addEventListener("blur", () => this.draw());
    canvas.addEventListener("pointermove", (event) => this.point(event));
    canvas.addEventListener("click", (event) => { this.point(event); if (this.hover >= 0) this.onOpen(this.cells[this.hover]); });
    addEventListener("themechange", () => this.draw(), { signal });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(), { signal });
    this.resize();
  }

  // Its canvas is not on the page any more.
  leave() {
    this.size.disconnect();
    this.over.abort();
  }

  // The node under the keyboard, if this grid has the focus.
  get current() {
    return document.activeElement === this.canvas ? this.cells[this.at] : undefined;
  }

  focusOn(node) {
    const at = this.cells.findIndex((cell) => cell.node === node);
    if (at < 0) return;
    this.at = at;
    this.canvas.focus({ preventScroll: true });
  }

  resize() {
    const { cell, pitch, columns, width, height } = this.canvas.parentElement.lay();
    Object.assign(this, { cell, pitch, columns });
    const ratio = devicePixelRatio || 1;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.canvas.style.height = `${height}px`;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.draw();
  }

  key(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      event.preventDefault();
      this.move(this.at + steps[event.key]);
    } else if (event.key === "Enter" && this.at >= 0) {
      this.onOpen(this.cells[this.at]);
    }
  }

  move(to) {
    this.at = Math.max(0, Math.min(this.cells.length - 1, to));
    this.onFocus(this.cells[this.at]);
    this.draw();
  }

  point(event) {
    const column = Math.floor(event.offsetX / this.pitch);
    const found = Math.floor(event.offsetY / this.pitch) * this.columns + column;
    this.hover = column < this.columns && found < this.cells.length ? found : -1;
    if (this.hover >= 0) this.onFocus(this.cells[this.hover]);
  }

  draw() {
    const style = getComputedStyle(document.documentElement);
    const colours = Object.fromEntries(Object.entries(TOKENS).map(([state, token]) => [state, [style.getPropertyValue(token), style.getPropertyValue(`${token}-soft`)]]));
    const look = { colours, surface: style.getPropertyValue("--color-surface"), focus: style.getPropertyValue("--color-focus") };
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const focused = document.activeElement === this.canvas ? this.at : -1;
    this.cells.forEach((cell, i) => this.drawCell(cell, (i % this.columns) * this.pitch, Math.floor(i / this.columns) * this.pitch, look, i === focused));
  }

  // A fleet that works is quiet: its cells have hardly an edge. One that is down is the only full one.
  drawCell(cell, x, y, look, focused) {
    const c = this.context;
    const size = this.cell;
    const [strong, soft] = look.colours[cell.state];
    const isWorking = cell.state === "working";
    c.fillStyle = cell.state === "down" ? strong : soft;
    c.fillRect(x, y, size, size);
    const height = Math.round(size * (cell.utilization_ratio ?? 0));
    c.globalAlpha = isWorking ? 0.35 : 0.45;
    c.fillStyle = strong;
    c.fillRect(x, y + size - height, size, height);
    c.globalAlpha = isWorking ? 0.4 : 1;
    c.strokeStyle = strong;
    c.lineWidth = 1;
    c.setLineDash(cell.state === "unknown" ? [3, 3] : []);
    c.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
    c.globalAlpha = 1;
    c.setLineDash([]);
    if (!isWorking) this.drawMark(cell.state, x + size / 2, y + size / 2, strong, look.surface);
    if (cell.coolant_leak || cell.enclosure_open) {
      c.strokeStyle = look.colours.down[0];
      c.lineWidth = 2;
      c.strokeRect(x + 1, y + 1, size - 2, size - 2);
      drawAlarm(c, x + size - 6, y + 6, look.colours.down[0], look.surface);
    }
    if (focused) {
      c.strokeStyle = look.focus;
      c.lineWidth = 3;
      c.strokeRect(x - 0.5, y - 0.5, size + 1, size + 1);
    }
  }

  drawMark(state, x, y, strong, surface) {
    const c = this.context;
    c.save();
    c.translate(x, y);
    c.scale(this.cell / MARK, this.cell / MARK);
    drawMark(c, state, strong, surface);
    c.restore();
  }
}

const OUTLINES = {
  slower: [[0, -7], [7, 6], [-7, 6]],
  making_room: [[-8, 0], [-2, -6], [-2, -2.5], [7, -2.5], [7, 2.5], [-2, 2.5], [-2, 6]],
  paused: [[-5, -6], [-1.5, -6], [-1.5, 6], [-5, 6]],
  service: [[0, -7], [7, 0], [0, 7], [-7, 0]],
};

function drawMark(c, state, strong, surface) {
  c.fillStyle = strong;
  if (state === "unknown") {
    c.font = "600 15px system-ui, sans-serif";
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.fillText("?", 0, 1);
  } else if (state === "down") {
    c.strokeStyle = surface;
    c.lineWidth = 3;
    c.beginPath();
    c.moveTo(-5, -5); c.lineTo(5, 5); c.moveTo(5, -5); c.lineTo(-5, 5);
    c.stroke();
  } else {
    path(c, OUTLINES[state]);
    if (state === "paused") path(c, OUTLINES.paused.map(([px, py]) => [px + 6.5, py]));
  }
}

function path(c, points) {
  c.beginPath();
  points.forEach(([px, py], i) => (i ? c.lineTo(px, py) : c.moveTo(px, py)));
  c.closePath();
  c.fill();
}

function drawAlarm(c, x, y, strong, surface) {
  c.fillStyle = surface;
  c.beginPath(); c.arc(x, y, 6, 0, 7); c.fill();
  c.fillStyle = strong;
  c.beginPath(); c.arc(x, y, 4.5, 0, 7); c.fill();
}
