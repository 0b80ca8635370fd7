import { h, icon, replace } from "./dom.js";

/** Icon and word of a severity: error, warning, note or ok. */
export function severity(level, word) {
  return h("span", { class: `sev ${level}` }, icon(level), word);
}

/** A picture on a pattern of squares; `data` is base64 of a WebP, or empty. */
export function thumb(data, side) {
  return h("span", { class: "thumb", style: side && { "--t": `${side}px` } }, picture(data));
}

export function picture(data) {
  return data ? h("img", { src: `data:image/webp;base64,${data}`, alt: "", loading: "lazy", decoding: "async" }) : null;
}

export function button(label, attributes, ...content) {
  return h("button", { type: "button", class: "btn", "aria-label": label, ...attributes }, ...content);
}

/** A group of buttons of which one is pressed; `choose` gets its value. */
export function segmented(label, options, chosen, choose) {
  const group = h("div", { class: "seg", role: "group", "aria-label": label });
  for (const [value, ...content] of options)
    group.append(
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(value === chosen),
          "data-value": value,
          onclick: () => {
            press(group, value);
            choose(value);
          },
        },
        ...content,
      ),
    );
  return group;
}

export function press(group, value) {
  for (const each of group.children) each.setAttribute("aria-pressed", String(each.dataset.value === value));
}

/** Two pictures of one place, with a divider that the mouse and arrow keys move. */
export function compare(before, after, words) {
  const input = h("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": words.label });
  const box = h(
    "div",
    { class: "cmp" },
    picture(before),
    h("div", { class: "b" }, picture(after)),
    input,
    h("span", { class: "line" }),
    h("span", { class: "tag l", "aria-hidden": "true" }, words.before),
    h("span", { class: "tag rt", "aria-hidden": "true" }, words.after),
  );
  input.addEventListener("input", () => box.style.setProperty("--x", `${input.value}%`));
  return box;
}

/** A setting in the editor's words, from a value to another. */
export function change(path, from, to) {
  return h(
    "span",
    { class: "change" },
    h("span", { class: "path" }, path),
    h("span", { class: "from" }, from),
    h("span", null, "→"),
    h("span", { class: "to" }, to),
  );
}

/** Lines of a unified diff. */
export function diff(lines) {
  const kinds = { "+": "a", "-": "d", "@": "h" };
  return h(
    "div",
    { class: "diff", tabindex: 0 },
    lines.map(line => h("div", { class: kinds[line[0]] || null }, line || " ")),
  );
}

/** A button that copies `content` and says so for a moment. */
export function copyButton(content, words, attributes) {
  const face = () => [icon("copy", true), attributes && attributes.class.includes("icon") ? null : words.copy];
  const made = button(null, { class: "btn s", "aria-label": words.label || null, ...attributes }, face());
  made.addEventListener("click", async () => {
    await copy(content);
    replace(made, icon("ok", true), h("span", { class: "vh", role: "status" }, words.copied));
    if (!made.classList.contains("icon")) made.append(words.copied);
    setTimeout(() => replace(made, face()), 1200);
  });
  return made;
}

async function copy(content) {
  try {
    await navigator.clipboard.writeText(content);
  } catch {
    // A page from a disk may not use the clipboard of some browsers.
    const area = h("textarea", { class: "vh" });
    area.value = content;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

/** A piece of evidence: a bar from the left if it is for the verdict, hatched from the right if against it. */
export function evidence(source, detail, share, words) {
  const against = share < 0, percent = Math.round(Math.abs(share) * 100);
  const bar = percent > 0 && h("i", { style: { width: `${Math.max(percent, 4)}%` } });
  const label = `${against ? words.against : words.for} ${percent}%`;
  return [
    h("dt", null, source),
    h("dd", null, detail),
    h("dd", null, bar ? h("span", { class: against ? "w no" : "w", role: "img", "aria-label": label }, bar) : null),
  ];
}

/** Switches between light and dark. */
export function toggleTheme() {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme || (dark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
}
