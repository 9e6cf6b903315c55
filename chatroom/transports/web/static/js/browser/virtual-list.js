// A long list. Only its visible rows are in the page. All rows have the same height.

import { arrange, eachFrame, h } from "./dom.js";

const OVERSCAN = 6;

/** The rows [first, last) that a view of this height shows, with some to spare. */
export function visibleRows({ top, height, rowHeight, count }) {
  const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN);
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + OVERSCAN);
  return [Math.min(first, last), last];
}

export class VirtualList {
  #scroller;
  #rem;
  #rowHeight;
  #render;
  #seen;
  #rows = h("div", { class: "people-rows", role: "presentation" });
  #nodes = new Map();
  #items = [];
  #count = 0;

  /**
   * `rowHeight` is in rem. `render(item, index)` makes a row; `item` is undefined if it is not known yet.
   * `seen(first, last)` is called with the rows that are shown. An item has a `key`, which changes when
   * its row has to be made again.
   */
  constructor(scroller, { rowHeight, render, seen }) {
    this.#scroller = scroller;
    this.#rem = rowHeight;
    this.#rowHeight = this.#height;
    this.#render = render;
    this.#seen = seen;
    scroller.append(this.#rows);
    this.update = eachFrame(() => this.#draw());
    scroller.addEventListener("scroll", this.update, { passive: true });
    new ResizeObserver(() => this.#resized()).observe(scroller);
    addEventListener("resize", () => this.#resized());
  }

  /** `count` may be more than there are items: the rest is not known yet. */
  show(items, count = items.length) {
    this.#items = items;
    this.#count = count;
    this.update();
  }

  /** Make all rows again. */
  refresh() {
    this.#nodes.clear();
    this.update();
  }

  /** The row's node, if it is in the page. */
  node(index) {
    return this.#nodes.get(this.#keyAt(index));
  }

  /** How many rows are fully visible: one page. */
  get page() {
    return Math.max(1, Math.floor(this.#scroller.clientHeight / this.#rowHeight) - 1);
  }

  reveal(index) {
    const top = index * this.#rowHeight;
    const { scrollTop, clientHeight } = this.#scroller;
    if (top < scrollTop) this.#scroller.scrollTop = top;
    else if (top + this.#rowHeight > scrollTop + clientHeight) {
      this.#scroller.scrollTop = top + this.#rowHeight - clientHeight;
    }
    this.#draw();
  }

  get #height() {
    return this.#rem * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  /** The height of the rows changes with the size of the text; the first visible row stays the first. */
  #resized() {
    const before = this.#rowHeight;
    this.#rowHeight = this.#height;
    if (this.#rowHeight !== before) {
      this.#nodes.clear();
      this.#draw();
      this.#scroller.scrollTop *= this.#rowHeight / before;
    }
    this.update();
  }

  #keyAt(index) {
    const item = this.#items[index];
    return item ? `${index} ${item.key}` : `${index}`;
  }

  #draw() {
    const { scrollTop: top, clientHeight: height } = this.#scroller;
    const [first, last] = visibleRows({ top, height, rowHeight: this.#rowHeight, count: this.#count });
    const nodes = new Map();
    for (let index = first; index < last; index += 1) {
      const key = this.#keyAt(index);
      let node = this.#nodes.get(key);
      if (!node) {
        node = this.#render(this.#items[index], index);
        node.style.insetBlockStart = `${index * this.#rowHeight}px`;
      }
      node.setAttribute("aria-setsize", this.#count);
      node.setAttribute("aria-posinset", index + 1);
      nodes.set(key, node);
    }
    this.#nodes = nodes;
    this.#rows.style.height = `${this.#count * this.#rowHeight}px`;
    arrange(this.#rows, [...nodes.values()]);
    if (height) this.#seen(first, last);
  }
}
