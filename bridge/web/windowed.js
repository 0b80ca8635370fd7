import { h } from "./dom.js";

const OVERSCAN = 3;

/** Rows of one height, of which only those near the window exist.
 *
 * `layout()` returns `columns`, `height`, the pixels of a row with its gap, and `gap`; `render(index)` returns
 * an element. Spacers of the tag `spacer` before and after take the place of all others.
 */
export class Windowed {
  constructor(host, { count, layout, render, spacer = "li" }) {
    Object.assign(this, { host, count, layout, render, from: -1, to: -1 });
    this.before = h(spacer, { class: "space", "aria-hidden": "true" });
    this.after = h(spacer, { class: "space", "aria-hidden": "true" });
    this.update = this.update.bind(this);
    addEventListener("scroll", this.update, { passive: true });
    // Also when something beside the list opens. The height changes with what is drawn.
    this.observer = new ResizeObserver(() => host.clientWidth !== this.width && this.resize());
    this.observer.observe(host);
    addEventListener("resize", this.update);
    this.resize();
  }

  close() {
    removeEventListener("scroll", this.update);
    removeEventListener("resize", this.update);
    this.observer.disconnect();
    this.host.replaceChildren();
  }

  resize() {
    Object.assign(this, this.layout(), { width: this.host.clientWidth });
    this.from = -1;
    this.update();
  }

  /** Draws the elements again, as what they show has changed. */
  refresh() {
    this.from = -1;
    this.update();
  }

  update() {
    const rows = Math.ceil(this.count / this.columns);
    if (this.whole) return this.draw(0, rows, rows);
    const top = -this.host.getBoundingClientRect().top;
    const first = Math.max(0, Math.min(rows - 1, Math.floor(top / this.height)) - OVERSCAN);
    const last = Math.min(rows, Math.ceil((top + innerHeight) / this.height) + OVERSCAN);
    this.draw(first, Math.max(last, Math.min(rows, first + 1)), rows);
  }

  /** Draws all elements from now on, for paper, whatever is scrolled or resized meanwhile. */
  all() {
    this.whole = true;
    this.update();
  }

  draw(first, last, rows) {
    if (first === this.from && last === this.to) return;
    this.from = first;
    this.to = last;
    const shown = [];
    for (let at = first * this.columns; at < Math.min(this.count, last * this.columns); at++) shown.push(this.render(at));
    const focus = document.activeElement && document.activeElement.dataset.at;
    this.host.replaceChildren(...this.space(this.before, first), ...shown, ...this.space(this.after, rows - last));
    if (focus !== undefined && document.activeElement === document.body) this.focus(focus);
  }

  /** Returns the spacer for so many rows; the list's own gap beside it makes up for one. */
  space(spacer, rows) {
    spacer.style.height = `${rows * this.height - this.gap}px`;
    return rows ? [spacer] : [];
  }

  /** Scrolls so that an element is in the window, below `margin` pixels. */
  reveal(at, margin) {
    const row = Math.floor(at / this.columns);
    const top = this.host.getBoundingClientRect().top + row * this.height;
    if (top < margin) scrollBy(0, top - margin - 8);
    else if (top + this.height > innerHeight) scrollBy(0, top + this.height - innerHeight + 8);
    this.update();
  }

  focus(at) {
    const found = this.host.querySelector(`[data-at="${Number(at)}"]`);
    if (found) found.focus({ preventScroll: true });
  }
}
