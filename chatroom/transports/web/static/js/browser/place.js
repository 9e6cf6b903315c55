// The place in a long list at which one looks: the first message that is visible, and where.

export class Place {
  #scroller;
  #list;
  #kept = null;

  constructor(scroller, list) {
    this.#scroller = scroller;
    this.#list = list;
  }

  /** Notes where one is, in the layout as it is now. */
  keep() {
    if (this.#scroller.clientHeight) this.#kept = { ...this.#layout, anchor: this.#anchor() };
  }

  /** Where one is; where the layout has changed since it was kept, where one was before that. */
  get anchor() {
    const { width, height } = this.#layout;
    const kept = this.#kept;
    return kept && (kept.width !== width || kept.height !== height) ? kept.anchor : this.#anchor();
  }

  /** Brings an anchor back to where it was. */
  hold(anchor) {
    const node = anchor && this.#list.querySelector(`[data-seq="${CSS.escape(anchor.seq)}"] .bubble`);
    if (!node) return;
    const { top, height } = node.getBoundingClientRect();
    // What was cut off above is as much of the message as before, however high it is now.
    const wanted = anchor.top < 0 ? (anchor.top / anchor.height) * height : anchor.top;
    this.#scroller.scrollTop += top - this.#edge - wanted;
  }

  /** Forgets, as the list is another one. */
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
