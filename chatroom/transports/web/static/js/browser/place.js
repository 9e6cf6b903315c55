// The reader's place in a long list: the first visible message, and its position on the screen.

export class Place {
  #scroller;
  #list;
  #kept = null;

  constructor(scroller, list) {
    this.#scroller = scroller;
    this.#list = list;
  }

  /** Notes the place, in the current layout. */
  keep() {
    if (this.#scroller.clientHeight) this.#kept = { ...this.#layout, anchor: this.#anchor() };
  }

  /** The place; if the layout has changed since it was noted, the place from before the change. */
  get anchor() {
    const { width, height } = this.#layout;
    const kept = this.#kept;
    return kept && (kept.width !== width || kept.height !== height) ? kept.anchor : this.#anchor();
  }

  /** Scrolls an anchor back to where it was. */
  hold(anchor) {
    const node = anchor && this.#list.querySelector(`[data-seq="${CSS.escape(anchor.seq)}"] .bubble`);
    if (!node) return;
    const { top, height } = node.getBoundingClientRect();
    // The same share of the message is cut off above as before, however high it is now.
    const wanted = anchor.top < 0 ? (anchor.top / anchor.height) * height : anchor.top;
    this.#scroller.scrollTop += top - this.#edge - wanted;
  }

  /** Forgets the place, as another list is shown. */
  leave() {
    this.#kept = null;
  }

  get #layout() {
    return { width: this.#scroller.clientWidth, height: this.#scroller.scrollHeight };
  }

  get #edge() {
    return this.#scroller.getBoundingClientRect().top;
  }

  #anchor() {
    const edge = this.#edge;
    const { children } = this.#list;
    let low = 0;
    let high = children.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (children[middle].getBoundingClientRect().bottom <= edge) low = middle + 1;
      else high = middle;
    }
    for (let node = children[low]; node; node = node.nextElementSibling) {
      const { seq } = node.dataset;
      if (!seq) continue;
      const { top, height } = node.querySelector(".bubble").getBoundingClientRect();
      return { seq, top: top - edge, height };
    }
    return null;
  }
}
