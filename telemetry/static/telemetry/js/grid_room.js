// The room of a grid of nodes, known while the page is still being read: nothing moves when the grid is drawn later.
// A plain script in the head, because a module would run only after the first paint.
(() => {
  // With few nodes on a screen each has more room.
  const SIZES = [[60, { cell: 40, gap: 6 }], [400, { cell: 26, gap: 4 }], [Infinity, { cell: 20, gap: 3 }]];

  class NodeGrid extends HTMLElement {
    connectedCallback() { this.lay(); }

    // `data-total` is how many nodes all grids of the page have, `data-count` how many this one has.
    lay() {
      const size = SIZES.find(([most]) => Number(this.dataset.total) <= most)[1];
      const pitch = size.cell + size.gap;
      const width = this.clientWidth;
      const columns = Math.max(1, Math.floor((width + size.gap) / pitch));
      const height = Math.ceil(Number(this.dataset.count) / columns) * pitch;
      this.style.height = `${height}px`;
      return { ...size, pitch, columns, width, height };
    }
  }
  customElements.define("node-grid", NodeGrid);
})();
