import { fill, h, icon, prose, replace } from "../../web/dom.js";
import { button, change, compare, copyButton, diff, evidence, segmented, severity, thumb } from "../../web/components.js";

const VIEW = 220;
const CHANNELS = ["RGB", "R", "G", "B", "A"];

/** The panel about one texture. `step(by)` and `close()` are called by its buttons. */
export class Drawer {
  constructor(element, data, { step, close }) {
    Object.assign(this, { element, data, words: data.words, step, close });
  }

  hide() {
    this.element.classList.remove("on");
    document.body.classList.remove("withdrawer");
    this.element.replaceChildren();
  }

  /** `pictures`: small, and before and after the fix, in base64; may be missing. */
  show(row, [small, before, after], at, count) {
    const { words } = this;
    this.element.setAttribute("aria-label", row.file);
    this.element.classList.add("on");
    document.body.classList.add("withdrawer");
    const go = (label, by, name) =>
      button(label, { class: "btn quiet icon s", "data-go": by, onclick: () => this.step(by) }, icon(name));
    replace(
      this.element,
      h(
        "div",
        { class: "dhd" },
        thumb(small, 40),
        h("div", { class: "grow" }, h("h2", { class: "cut" }, row.name), h("div", { class: "dim cut" }, row.folder)),
        h("span", { class: "dim" }, `${at + 1} / ${count}`),
        go(words.previous, -1, "left"),
        go(words.next, 1, "right"),
        button(words.close, { class: "btn quiet icon s", "data-close": true, onclick: this.close }, icon("x")),
      ),
      h(
        "div",
        { class: "dbody", tabindex: 0, role: "region", "aria-label": words.details },
        this.lit(row, before, after),
        this.findings(row),
        this.changes(row),
        this.file(row),
        this.picture(row, small),
        this.evidence(row),
        this.explanation(row),
      ),
    );
  }

  section(title, aside, ...content) {
    return h("section", null, h("h3", { class: "dh" }, title, aside && h("span", { class: "grow" }), aside), content);
  }

  lit(row, before, after) {
    if (!after) return null;
    const { words } = this;
    const shown = compare(before, after, { label: words.compare, before: words.now, after: words.after });
    return this.section(words.looks, h("span", { class: "dim" }, words.scenes[row.scene] || ""), shown);
  }

  findings(row) {
    const { problems, words } = this.data;
    const line = (level, word, sentence, code) =>
      h("li", null, severity(level, word), h("p", null, prose(sentence), " ", code && h("code", null, code)));
    const open = row.found.map(([at, sentence]) =>
      line(problems[at].severity, words.severities[problems[at].severity], sentence, problems[at].code),
    );
    const fixed = row.fixed.map(sentence => line("ok", words.fixed, sentence, ""));
    return this.section(words.findings, null, h("ul", { class: "fin" }, open, fixed));
  }

  changes(row) {
    if (!row.changes.length) return null;
    const items = row.changes.map(([path, from, to, name]) => h("li", null, change(path, from, to), path !== name && h("code", null, name)));
    return this.section(this.words.changes, null, h("ul", { class: "chs" }, items));
  }

  file(row) {
    if (!row.diff?.length) return null;
    const added = row.diff.filter(line => line.startsWith("+")).map(line => line.slice(1));
    const words = { copy: this.words.copy_lines, copied: this.words.copied };
    return this.section(this.words.import_file, added.length > 0 && copyButton(added.join("\n"), words), diff(row.diff));
  }

  picture(row, small) {
    const { words } = this;
    const facts = h("dl", { class: "facts" }, row.facts.map(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
    if (!small) return row.facts.length ? this.section(words.picture, null, facts) : null;
    const canvas = h("canvas", { width: VIEW, height: VIEW, role: "img", "aria-label": row.name });
    const levels = Math.floor(Math.log2(Math.max(row.width, row.height, 1)));
    const state = { channel: "RGB", level: 0 };
    const label = h("b", null);
    const image = new Image();
    const paint = () => {
      label.textContent = `${state.level} · ${Math.max(1, row.width >> state.level)} × ${Math.max(1, row.height >> state.level)}`;
      if (image.naturalWidth) paintLevel(canvas, image, row, state);
    };
    image.onload = paint;
    image.src = `data:image/webp;base64,${small}`;
    const channels = segmented(words.channels, CHANNELS.map(name => [name, name]), "RGB", value => {
      state.channel = value;
      paint();
    });
    const mip = h("input", {
      type: "range",
      min: 0,
      max: levels,
      value: 0,
      oninput: event => {
        state.level = Number(event.target.value);
        paint();
      },
    });
    paint();
    return this.section(
      words.picture,
      null,
      h(
        "div",
        { class: "views" },
        canvas,
        h(
          "div",
          { class: "controls" },
          h("div", null, h("span", { class: "lbl" }, words.channels), channels),
          h("label", null, h("span", { class: "lbl" }, words.mip, " ", label), mip),
          facts,
        ),
      ),
    );
  }

  evidence(row) {
    if (!row.evidence.length) return null;
    const { words } = this;
    const items = row.evidence.map(([source, detail, kind, share]) => {
      const other = kind && kind !== row.kind;
      const text = other ? [detail, " ", h("span", { class: "dim" }, fill(words.supports, { kind }))] : detail;
      return evidence(source, text, share, words);
    });
    return this.section(fill(words.taken_for, { kind: row.kind, percent: row.percent }), null, h("dl", { class: "ev" }, items));
  }

  explanation(row) {
    if (!row.explanation.length) return null;
    return this.section(this.words.why, null, row.explanation.map(line => h("p", null, prose(line))));
  }
}

/** Draws one channel of one mip level; the picture in the page is the largest level there is. */
function paintLevel(canvas, image, row, { channel, level }) {
  const longest = Math.max(row.width, row.height) / 2 ** level;
  const scale = Math.min(1, longest / Math.max(image.naturalWidth, image.naturalHeight));
  const width = Math.max(1, Math.round(image.naturalWidth * scale)), height = Math.max(1, Math.round(image.naturalHeight * scale));
  const small = h("canvas", { width, height });
  const drawing = small.getContext("2d", { willReadFrequently: true });
  drawing.imageSmoothingQuality = "high";
  drawing.drawImage(image, 0, 0, width, height);
  if (channel !== "RGB") {
    const pixels = drawing.getImageData(0, 0, width, height), at = "RGBA".indexOf(channel);
    for (let i = 0; i < pixels.data.length; i += 4) {
      pixels.data.fill(pixels.data[i + at], i, i + 3);
      pixels.data[i + 3] = 255;
    }
    drawing.putImageData(pixels, 0, 0);
  }
  const target = canvas.getContext("2d");
  const factor = VIEW / Math.max(width, height), w = width * factor, hh = height * factor;
  target.imageSmoothingEnabled = factor < 2;
  target.clearRect(0, 0, VIEW, VIEW);
  target.drawImage(small, (VIEW - w) / 2, (VIEW - hh) / 2, w, hh);
}
