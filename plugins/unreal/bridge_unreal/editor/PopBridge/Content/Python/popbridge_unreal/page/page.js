"use strict";
// Shows the plugin's state and sends what the person does. Texts of the daemon only become text nodes.

const SVG = "http://www.w3.org/2000/svg";
const SHAPES = {
  error: "M5 1h6l4 4v6l-4 4H5l-4-4V5zM8 4.5v4M8 11v.5",
  warning: "M8 1.5 15 14H1zM8 6v4M8 11.5v.5",
  note: "M8 1.2a6.8 6.8 0 1 0 .01 0zM8 7v4.5M8 4.5V5",
};
const PART = 100;
// Changes of a texture that its closed row shows.
const CHANGES = 3;
let state = { popups: [], labels: {}, replies: {} };
let version = -1;
let current = null;
let isChecked = false;
// By popup: what is ticked, which rows are open, how many of their children are shown, the action that asks first.
const cards = new Map();

const say = (name, values = {}) =>
  (state.labels[name] || name).replace(/\{(\w+)\}/g, (all, key) => (key in values ? values[key] : all));

function make(tag, className, ...children) {
  const found = document.createElement(tag);
  if (className) found.className = className;
  found.append(...children.filter((each) => each !== null && each !== undefined && each !== ""));
  return found;
}

function button(label, className, press) {
  const found = make("button", className, label);
  found.type = "button";
  found.addEventListener("click", press);
  return found;
}

function icon(severity) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  for (const [name, value] of Object.entries({
    d: SHAPES[severity], fill: "none", stroke: "currentColor", "stroke-width": "1.5", "stroke-linecap": "round",
    "stroke-linejoin": "round",
  })) path.setAttribute(name, value);
  svg.append(path);
  return svg;
}

// **bold**, `code` and [label](https://...) of the protocol.
function marked(text) {
  const parts = [];
  const pattern = /\*\*(.+?)\*\*|`([^`]+)`|\[([^\]]+)\]\((https:\/\/[^)\s]+)\)/g;
  let at = 0;
  for (const found of text.matchAll(pattern)) {
    parts.push(text.slice(at, found.index));
    if (found[1] !== undefined) parts.push(make("strong", "", found[1]));
    else if (found[2] !== undefined) parts.push(make("code", "", found[2]));
    else {
      const link = make("a", "", found[3]);
      link.href = found[4];
      link.rel = "noopener noreferrer";
      link.target = "_blank";
      parts.push(link);
    }
    at = found.index + found[0].length;
  }
  parts.push(text.slice(at));
  return parts.filter((each) => each !== "");
}

const leaves = (item) => (item.children?.length ? item.children.flatMap(leaves) : [item]);
const canTick = (leaf) => !leaf.locked && !leaf.status;

function cardOf(popup) {
  let card = cards.get(popup.id);
  if (!card) {
    card = { ticked: new Set(), open: new Set(), shown: new Map(), asking: null, choices: new Set(), values: {}, items: popup.items };
    cards.set(popup.id, card);
    if (popup.items_blob && !popup.items?.length) {
      fetch(`/picture/${popup.items_blob}`).then((answer) => answer.json()).then((items) => { fill(card, items); draw(); }).catch(() => {});
    }
    fill(card, popup.items || []);
    if ((popup.items || []).length === 1) card.open.add(popup.items[0].id);
    for (const field of popup.fields || []) card.values[field.name] = field.value;
  }
  return card;
}

function fill(card, items) {
  card.items = items;
  card.partners = new Map();
  card.paths = new Map();
  const read = (item, path) => {
    const own = item.path || path;
    for (const child of item.children || []) read(child, own);
    if (item.children?.length) return;
    card.paths.set(item.id, own || item.id);
    if (canTick(item) && item.checked) card.ticked.add(item.id);
    for (const other of item.needs || []) {
      for (const [one, two] of [[item.id, other], [other, item.id]]) {
        if (!card.partners.has(one)) card.partners.set(one, new Set());
        card.partners.get(one).add(two);
      }
    }
  };
  for (const item of items) read(item, "");
}

function tick(card, item, on) {
  const pending = leaves(item).filter(canTick).map((each) => each.id);
  const done = new Set();
  while (pending.length) {
    const id = pending.pop();
    if (done.has(id)) continue;
    done.add(id);
    if (on) card.ticked.add(id); else card.ticked.delete(id);
    pending.push(...(card.partners.get(id) || []));
  }
}

const count = (card) => new Set([...card.ticked].map((id) => card.paths.get(id))).size;

async function send(order) {
  try {
    await fetch("/order", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(order) });
  } catch { /* The state says whether the editor is there. */ }
}

function answer(popup, action) {
  const card = cardOf(popup);
  if (action.choices?.length && card.asking !== action.id) {
    card.asking = action.id;
    card.menu = false;
    card.choices = new Set(action.choices.filter((each) => each.checked).map((each) => each.id));
    draw();
    document.querySelector(".choices input, .choices button")?.focus();
    return;
  }
  const order = { do: "answer", popup: popup.id, action: action.id };
  if (card.items?.length) order.checked = [...card.ticked];
  if (action.choices?.length) order.choices = [...card.choices];
  if (popup.fields?.length) order.values = card.values;
  card.asking = null;
  card.menu = false;
  card.sent = true;
  send(order);
  draw();
}

function row(popup, card, item, top) {
  const below = item.children || [];
  const isOpen = card.open.has(item.id);
  const own = leaves(item).filter(canTick);
  const line = make("div", `row${item.path && item.path === current?.path && popup.id === current?.popup ? " current" : ""}`);
  if (own.length && !card.sent) {
    const box = make("input");
    box.type = "checkbox";
    const on = own.filter((each) => card.ticked.has(each.id)).length;
    box.checked = on === own.length;
    box.indeterminate = on > 0 && on < own.length;
    box.setAttribute("aria-label", item.title);
    box.dataset.key = `${popup.id} ${item.id}`;
    box.addEventListener("change", () => { tick(card, item, box.checked); draw(); });
    line.append(box);
  } else line.append(make("span"));
  if (item.picture) {
    const image = make("img");
    image.src = `/picture/${item.picture}`;
    image.alt = "";
    image.loading = "lazy";
    line.append(image);
  } else line.append(make("span"));
  const words = make("div", "words");
  if (item.severity) words.append(make("span", `severity ${item.severity}`, icon(item.severity), say(item.severity)), make("br"));
  if (item.status) words.append(make("strong", item.status, say(item.status)), " ");
  if (item.path && !top) {
    const open = button(item.title, "", () => show(popup, item));
    open.dataset.key = `${popup.id} ${item.id} open`;
    words.append(open);
  } else words.append(make(top ? "strong" : "span", "", item.title));
  // The asset, which people know, instead of the folder of its source file.
  const isFolder = item.asset && item.path?.startsWith(`${item.detail}/`);
  const detail = isFolder || (item.asset && !item.detail) ? item.asset : item.detail;
  if (detail) words.append(make("div", "detail", ...marked(detail)));
  if (!top && !isOpen) for (const each of below.slice(0, CHANGES)) words.append(make("div", "change", each.title));
  if (!top && !isOpen && below.length > CHANGES) words.append(make("div", "detail", `+${below.length - CHANGES}`));
  const pictures = top && !isOpen ? below.filter((each) => each.picture) : [];
  if (pictures.length) {
    const strip = make("div", "strip");
    for (const each of pictures.slice(0, 5)) {
      const image = make("img");
      image.src = `/picture/${each.picture}`;
      image.alt = "";
      strip.append(image);
    }
    if (below.length > 5) strip.append(`+${below.length - 5}`);
    words.append(strip);
  }
  if (item.locked) words.append(make("div", "detail", item.locked));
  line.append(words, make("span", "value", item.value || ""));
  const list = make("li", "", line);
  if (below.length) {
    const mark = button(isOpen ? "▾" : "▸", "plain open-mark", () => {
      if (isOpen) card.open.delete(item.id); else card.open.add(item.id);
      draw();
    });
    mark.setAttribute("aria-expanded", String(isOpen));
    mark.setAttribute("aria-label", item.title);
    mark.dataset.key = `${popup.id} ${item.id} mark`;
    line.append(mark);
    if (isOpen) {
      const shown = card.shown.get(item.id) || PART;
      const rows = make("ul", "rows", ...below.slice(0, shown).map((each) => row(popup, card, each, false)));
      list.append(rows);
      if (below.length > shown) {
        list.append(button(say("more", { count: below.length - shown }), "more", () => {
          card.shown.set(item.id, shown + PART);
          draw();
        }));
      }
    }
  }
  return list;
}

function field(card, each) {
  const label = make("label");
  const input = make(each.type === "choice" ? "select" : "input");
  if (each.type === "choice") {
    for (const option of each.options || []) {
      const one = make("option", "", String(option));
      one.selected = option === card.values[each.name];
      input.append(one);
    }
  } else if (each.type === "bool") {
    input.type = "checkbox";
    input.checked = Boolean(card.values[each.name]);
  } else {
    input.type = each.type === "int" || each.type === "float" ? "number" : "text";
    input.value = card.values[each.name] ?? "";
  }
  input.dataset.key = `field ${each.name}`;
  input.addEventListener("change", () => {
    card.values[each.name] = each.type === "bool" ? input.checked : input.type === "number" ? Number(input.value) : input.value;
  });
  label.append(...(each.type === "bool" ? [input, each.label] : [each.label, input]));
  return label;
}

function drawCard(popup) {
  const card = cardOf(popup);
  const box = make("article", "card");
  box.dataset.popup = popup.id;
  // The groups of a list have their own severities.
  const severity = popup.severity === "info" || card.items?.some((each) => each.severity) ? "" : popup.severity;
  box.append(make("div", "head", severity ? make("span", `severity ${severity}`, icon(severity), say(severity)) : "", make("h2", "", popup.title)));
  if (popup.image && !card.items?.length) {
    const image = make("img");
    image.src = `/picture/${popup.image}`;
    image.alt = "";
    box.append(make("div", "body", image));
  }
  if (card.items?.length) box.append(make("ul", "rows", ...card.items.map((each) => row(popup, card, each, true))));
  else if (popup.body) box.append(make("div", "body", ...marked(popup.body)));
  if (popup.fields?.length) box.append(make("div", "fields", ...popup.fields.map((each) => field(card, each))));
  const progress = popup.working ?? (popup.progress === undefined ? null : { fraction: popup.progress, text: "" });
  if (progress || card.sent) {
    const bar = make("progress");
    bar.max = 1;
    if (progress?.fraction) bar.value = progress.fraction;
    bar.setAttribute("aria-label", popup.title);
    box.append(make("div", "working", progress?.text || say("working"), bar));
    return box;
  }
  const all = [...(popup.actions || []), ...(popup.menu || [])];
  const asking = all.find((each) => each.id === card.asking);
  if (asking) {
    const lines = asking.choices.map((choice) => {
      const input = make("input");
      input.type = "checkbox";
      input.checked = card.choices.has(choice.id);
      input.dataset.key = `choice ${choice.id}`;
      input.addEventListener("change", () => {
        if (input.checked) card.choices.add(choice.id); else card.choices.delete(choice.id);
        draw();
      });
      return make("label", "", input, make("span", "", choice.label));
    });
    const go = button(asking.label, "primary", () => answer(popup, asking));
    go.disabled = card.choices.size === 0;
    box.append(make("div", "choices", ...lines, ...written(card, asking)));
    const ticked = count(card);
    const hint = [go.disabled ? say("choose") : "", ticked ? say("also_now", { count: ticked }) : ""].join(" ").trim();
    const cancel = button(say("cancel"), "", () => { card.asking = null; draw(); });
    box.append(make("div", "foot", hint ? make("p", "hint", hint) : "", go, cancel));
    return box;
  }
  const many = count(card);
  const foot = make("div", "foot");
  const create = (action) => {
    const counts = Boolean(action.label_many);
    const label = !counts || many === 0 ? action.label : many === 1 ? action.label_one || action.label : action.label_many.replace("{count}", many);
    const isFirst = action.style === "primary" || action.default;
    const found = button(label, isFirst ? "primary" : action.style === "danger" ? "danger" : "", () => answer(popup, action));
    found.disabled = counts && many === 0;
    found.dataset.key = `${popup.id} action ${action.id}`;
    return found;
  };
  const dismiss = (name) => button(say(name), "", () => { card.sent = true; send({ do: "dismiss", popup: popup.id }); draw(); });
  const isQuestion = popup.present !== "toast" && all.some((each) => each.style === "primary" || each.choices?.length);
  if (!isQuestion) {
    foot.append(...all.map(create));
    // A single button without effect closes the card already.
    if (all.length !== 1 || all[0].id !== "ok") foot.append(dismiss("close"));
    box.append(foot);
    return box;
  }
  const first = (popup.actions || []).filter((each) => !each.choices?.length).slice(0, 2);
  const rest = all.filter((each) => !first.includes(each));
  foot.append(...first.map(create), ...menu(card, `${popup.id} more`, [...rest.map(create), dismiss("dismiss")]));
  box.append(foot);
  return box;
}

// The lines that rules add to the project's file, for those who want to know.
function written(card, action) {
  const details = action.choices.filter((each) => each.detail).map((each) => make("code", "", each.detail));
  return details.length ? [fold(card, "written", ...details)] : [];
}

// Remembers whether it is open, as everything is drawn anew.
function fold(place, name, ...children) {
  const found = make("details", "", make("summary", "", say(name)), ...children);
  found.open = place[`is open: ${name}`] === true;
  found.addEventListener("toggle", () => { place[`is open: ${name}`] = found.open; });
  found.firstChild.dataset.key = `fold ${name}`;
  return found;
}

function menu(card, key, entries) {
  const mark = button("⋮", "menu-mark", () => { card.menu = !card.menu; draw(); });
  mark.setAttribute("aria-label", say("more_actions"));
  mark.setAttribute("aria-expanded", String(Boolean(card.menu)));
  mark.title = say("more_actions");
  mark.dataset.key = key;
  const list = make("div", "menu", ...entries);
  list.hidden = !card.menu;
  list.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { card.menu = false; draw(); document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus(); }
  });
  return [mark, list];
}

function show(popup, item) {
  current = { popup: popup.id, path: item.path, asset: item.asset, title: item.title };
  if (!(item.path in state.replies)) send({ do: "why", path: item.path });
  draw();
  document.querySelector("#texture button")?.focus();
}

function drawTexture() {
  const side = document.getElementById("texture");
  const isOpen = current !== null && state.popups.some((each) => each.id === current.popup);
  document.querySelector("main").classList.toggle("split", isOpen);
  side.hidden = !isOpen;
  if (!isOpen) { current = null; side.replaceChildren(); return; }
  for (const each of document.querySelectorAll(".card")) each.classList.toggle("asks", each.dataset.popup === String(current?.popup));
  const close = button("✕", "plain", () => { current = null; draw(); });
  close.setAttribute("aria-label", say("close"));
  close.dataset.key = "close";
  const found = state.replies[current.path];
  const parts = [make("div", "bar", make("div", "", make("h3", "", current.title), make("div", "detail", current.asset || current.path)), close)];
  if (!found) parts.push(make("p", "", say("loading")));
  else if (found.error) parts.push(make("p", "failed", found.error));
  else {
    if (found.before) {
      const box = make("div", "compare");
      for (const side of ["before", "after"]) {
        if (!found[side]) continue;
        const image = make("img", side);
        image.src = `/picture/${found[side]}`;
        image.alt = say(side);
        image.addEventListener("load", () => box.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight));
        box.append(image);
      }
      if (found.after) {
        const range = make("input");
        range.type = "range";
        range.value = current.at || "50";
        box.style.setProperty("--at", `${range.value}%`);
        range.setAttribute("aria-label", say("compare"));
        range.dataset.key = "compare";
        range.addEventListener("input", () => {
          current.at = range.value;
          box.style.setProperty("--at", `${range.value}%`);
        });
        box.append(make("span", "line"), make("span", "tag left", say("before")), make("span", "tag right", say("after")), range);
      }
      parts.push(box, make("p", "detail", say(found.after ? "shown" : "before")));
    }
    const list = (lines) => make("ul", "", ...lines.map((each) => make("li", "", ...marked(each))));
    for (const each of found.problems || []) {
      parts.push(make("div", "", make("span", `severity ${each.severity}`, icon(each.severity), say(each.severity)), make("p", "", ...marked(each.text))));
    }
    if (found.lines.length) parts.push(fold(current, "evidence", list(found.lines)));
    if (found.not_raised?.length) parts.push(fold(current, "not_raised", list(found.not_raised)));
    if (current.asset && current.asset !== current.path) parts.push(make("p", "detail", say("source", { file: current.path })));
  }
  side.replaceChildren(...parts);
}

function drawNothing() {
  const box = make("div", "card empty", make("p", "", ...marked(say(isChecked ? "checking" : state.undone ? "undone" : "nothing"))));
  const check = button(say("check"), "", () => { isChecked = true; send({ do: "check" }); draw(); });
  check.disabled = isChecked || !state.connected || Boolean(state.lost);
  check.dataset.key = "check";
  box.append(check);
  return box;
}

function draw() {
  const focused = document.activeElement?.dataset?.key;
  document.documentElement.lang = state.language || "en";
  document.getElementById("project").textContent = state.project || "";
  const connection = document.getElementById("connection");
  connection.replaceChildren(...marked(say(state.lost ? "editor_gone" : state.connected ? "connected" : "searching")));
  connection.className = state.connected && !state.lost ? "on" : "";
  const open = state.popups.filter((each) => each.actions?.length).length;
  document.title = open ? `(${open}) PopBridge` : "PopBridge";
  for (const id of cards.keys()) if (!state.popups.some((each) => each.id === id)) cards.delete(id);
  const shown = [...state.popups].reverse().map(drawCard);
  document.getElementById("cards").replaceChildren(...(shown.length ? shown : [drawNothing()]));
  drawTexture();
  const theme = document.getElementById("theme");
  theme.textContent = document.documentElement.dataset.theme === "dark" ? "☀" : "☾";
  theme.setAttribute("aria-label", say("theme"));
  if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

async function poll() {
  for (;;) {
    try {
      const found = await fetch(`/state?after=${version}`);
      if (!found.ok) throw new Error(String(found.status));
      const changed = Number(found.headers.get("X-Version"));
      const next = await found.json();
      if (changed !== version || state.lost) {
        version = changed;
        isChecked = false;
        state = next;
        for (const popup of state.popups) { const card = cards.get(popup.id); if (card?.sent && popup.again) card.sent = false; }
        draw();
      }
    } catch {
      if (!state.lost) { state = { ...state, lost: true }; draw(); }
      await new Promise((resume) => setTimeout(resume, 1500));
    }
  }
}

document.addEventListener("click", (event) => {
  if (event.target.closest(".foot")) return;
  const open = [...cards.values()].filter((each) => each.menu);
  for (const card of open) card.menu = false;
  if (open.length) draw();
});
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.dataset.theme = localStorage.getItem("popbridge.theme") || (dark ? "dark" : "light");
document.getElementById("theme").addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("popbridge.theme", next);
  draw();
});
draw();
poll();
