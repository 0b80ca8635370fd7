// Elements are made without HTML: what a file is called can't become markup.

const SVG = "http://www.w3.org/2000/svg";

/** Returns an element. Attributes that are null or false are left out; `style` sets properties, `on…` listens. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** Returns one of the page's icons; it is hidden from screen readers. */
export function icon(name, small) {
  const svg = document.createElementNS(SVG, "svg"), use = document.createElementNS(SVG, "use");
  svg.setAttribute("class", small ? "ic ic-s" : "ic");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/** Fills the placeholders of a sentence: `{count} of {total}`. */
export function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

/** Returns the parts of a sentence, with `code` between backticks as elements. */
export function prose(sentence) {
  return sentence.split("`").map((part, at, all) => (at % 2 && at < all.length - 1 ? h("code", null, part) : part));
}

export function bytes(count) {
  for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]])
    if (count >= size) return `${(count / size).toFixed(1)} ${unit}`;
  return `${count} B`;
}
