import { bytes, fill, h, icon, prose, replace } from "../../web/dom.js";
import { button, copyButton, picture, press, segmented, severity, thumb, toggleTheme } from "../../web/components.js";
import { Windowed } from "../../web/windowed.js";
import { squarify } from "../../web/treemap.js";
import { Drawer } from "./drawer.js";

const $ = id => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const { problems, words } = data;
const rows = data.rows.map((row, at) => readable(row, at));
const RANK = { error: 0, warning: 1, note: 2, ok: 3 };
const GRID_GAP = 12, GRID_TEXT = 112, GRID_LEAST = 160, TABLE_ROW = 64, NARROW = 640;
const LINES = 3;
const MAX_FOLDERS = 28, LEAST_TARGET = 24;
const filters = { problem: -1, severity: "", kind: "", text: "", folder: "" };
const collator = new Intl.Collator(document.documentElement.lang, { numeric: true });
let shown = [], list = null, mode = "grid", order = "severity", current = -1, opened = false;

function readable(row, at) {
  const cut = row.file.lastIndexOf("/") + 1;
  row.at = at;
  row.name = row.file.slice(cut);
  row.folder = row.file.slice(0, cut);
  row.level = row.found.length ? problems[row.found[0][0]].severity : "ok";
  row.saved = row.memory - row.memory_after;
  row.words = [row.file, row.kind, ...row.found.map(([p]) => `${problems[p].code} ${problems[p].title}`)].join(" ").toLowerCase();
  return row;
}

const chunks = new Map();

/** Returns a row's pictures: small, and before and after its fix; empty while the page is still being read. */
function pictures(row) {
  const at = Math.floor(row.at / data.chunk), element = $(`pictures-${at}`);
  if (!chunks.has(at)) {
    // An element grows until the next one begins.
    if (!element || (document.readyState === "loading" && !element.nextElementSibling)) return [];
    // Lines of rows without pictures are empty.
    chunks.set(at, element.textContent.replace(/^\n/, "").split("\n"));
  }
  return chunks.get(at)[row.at % data.chunk].split(" ");
}

const word = level => (level === "ok" ? words.fixed : words.severities[level]);

/** The problems of a row in short, as many as fit. */
function brief(row) {
  const lines = [...new Set(row.found.map(([problem]) => problem))];
  const many = lines.length > LINES;
  const made = lines.slice(0, many ? LINES - 1 : LINES).map(problem => {
    const { severity: level, short } = problems[problem];
    return h("span", null, h("span", { class: level }, icon(level)), h("span", { class: "cut" }, short));
  });
  if (many) made.push(h("span", null, h("span", { class: "dim" }, fill(words.more, { count: lines.length - made.length }))));
  if (!lines.length) made.push(h("span", null, h("span", { class: "ok" }, icon("ok")), words.fixed));
  return h("span", { class: "pr" }, made);
}

function card(at) {
  const row = shown[at], image = picture(pictures(row)[0]);
  // Pixel art and long images are seen whole.
  if (image && (row.width < 64 || Math.abs(Math.log2(row.width / row.height)) > 1)) image.className = "whole";
  return h(
    "li",
    null,
    h(
      "button",
      { type: "button", class: "gc", "data-at": at, "aria-current": String(at === current), onclick: () => open(at) },
      h("span", { class: image ? "pic" : "pic none" }, image || icon("image"), severity(row.level, word(row.level))),
      h("span", { class: "tx" }, h("span", { class: "nm cut" }, row.name), h("span", { class: "fo cut" }, row.folder || "/"), brief(row)),
    ),
  );
}

function memory(row) {
  if (!row.memory) return "";
  return row.saved ? [`${bytes(row.memory)} → `, h("b", null, bytes(row.memory_after))] : bytes(row.memory);
}

function line(at) {
  const row = shown[at];
  return h(
    "tr",
    { "aria-current": String(at === current), "aria-rowindex": at + 2, onclick: () => open(at) },
    h("td", null, thumb(pictures(row)[0], 44)),
    h("td", { class: "hide" }, severity(row.level, word(row.level))),
    h("td", { class: "f" }, h("button", { type: "button", "data-at": at }, h("b", { class: "cut" }, row.name), h("span", { class: "dim cut" }, row.folder))),
    h("td", null, brief(row)),
    h("td", { class: "hide hide-m cut" }, row.kind, " ", h("span", { class: "dim" }, row.kind && row.percent)),
    h("td", { class: "hide hide-m r" }, row.width ? `${row.width} × ${row.height}` : ""),
    h("td", { class: "hide r" }, memory(row)),
  );
}

const ORDERS = {
  severity: (a, b) => RANK[a.level] - RANK[b.level] || b.saved - a.saved || a.at - b.at,
  memory: (a, b) => b.saved - a.saved || b.memory - a.memory || a.at - b.at,
  file: (a, b) => collator.compare(a.file, b.file),
};

function matches(row, wanted) {
  return (
    (filters.problem < 0 || row.found.some(([problem]) => problem === filters.problem)) &&
    (!filters.severity || row.found.some(([problem]) => problems[problem].severity === filters.severity)) &&
    (!filters.kind || row.kind === filters.kind) &&
    (!filters.folder || row.file.startsWith(filters.folder)) &&
    wanted.every(each => row.words.includes(each))
  );
}

/** Applies the filters; the open texture stays open while it is among those shown. */
function filter() {
  const wanted = filters.text.toLowerCase().split(/\s+/).filter(Boolean), kept = shown[current];
  shown = rows.filter(row => matches(row, wanted)).sort(ORDERS[order]);
  current = kept ? shown.indexOf(kept) : -1;
  if (current < 0) shut();
  $("count").textContent = shown.length === rows.length ? data.all_shown : fill(words.shown, { count: shown.length, total: rows.length });
  replace(
    $("folder"),
    filters.folder && button(words.all_folders, { class: "chip accent", onclick: () => narrow({ folder: "" }) }, icon("folder", true), h("span", { class: "cut" }, filters.folder), icon("x", true)),
  );
  for (const each of document.querySelectorAll(".pc")) each.setAttribute("aria-pressed", String(Number(each.dataset.problem) === filters.problem));
  draw();
  if (opened) show(current);
}

function narrow(change) {
  Object.assign(filters, change);
  $("q").value = filters.text;
  $("kind").value = filters.kind;
  press(severities, filters.severity);
  filter();
}

const everything = () => narrow({ problem: -1, severity: "", kind: "", text: "", folder: "" });

function draw() {
  if (list) list.close();
  list = null;
  const host = $("list");
  if (!shown.length) {
    replace(host, h("div", { class: "empty" }, words.nothing, " ", button(null, { onclick: everything }, words.show_all)));
    return;
  }
  if (mode === "grid") {
    const grid = h("ul", { class: "grid", "aria-label": words.textures });
    replace(host, grid);
    list = new Windowed(grid, { count: shown.length, layout: gridLayout(grid), render: card });
  } else {
    const body = h("tbody");
    replace(host, h("div", { class: "panel tw" }, h("table", { class: "files", "aria-rowcount": shown.length + 1, "aria-label": words.textures }, head(), body)));
    list = new Windowed(body, { count: shown.length, layout: () => ({ columns: 1, height: TABLE_ROW, gap: 0 }), render: line, spacer: "tr" });
  }
}

function gridLayout(grid) {
  return () => {
    const width = grid.clientWidth;
    const columns = innerWidth <= NARROW ? 2 : Math.max(1, Math.floor((width + GRID_GAP) / (GRID_LEAST + GRID_GAP)));
    // The picture is square.
    const side = (width - GRID_GAP * (columns - 1)) / columns - 2;
    return { columns, height: side + GRID_TEXT + 2 + GRID_GAP, gap: GRID_GAP };
  };
}

function head() {
  const sorted = (key, label, direction) =>
    h("button", { type: "button", onclick: () => sort(key) }, label, order === key && icon(direction === "ascending" ? "up" : "down", true));
  const cell = (name, content, key, direction = "descending") =>
    h("th", { scope: "col", class: name, "aria-sort": key && order === key ? direction : null }, key ? sorted(key, content, direction) : content);
  const { columns } = words;
  return h(
    "thead",
    null,
    h(
      "tr",
      null,
      cell("c-picture", h("span", { class: "vh" }, columns.picture)),
      cell("c-severity hide", columns.severity, "severity"),
      cell("c-file", columns.file, "file", "ascending"),
      cell("c-find", columns.finding),
      cell("c-kind hide hide-m", columns.kind),
      cell("c-size hide hide-m r", columns.size),
      cell("c-memory hide r", columns.memory, "memory"),
    ),
  );
}

function sort(key) {
  order = key;
  $("sort").value = key;
  filter();
}

function view(value) {
  mode = value;
  press(modes, value);
  draw();
}

function mark(at) {
  current = at;
  list.refresh();
  list.reveal(at, innerWidth <= NARROW ? 8 : 64);
}

const show = at => drawer.show(shown[at], pictures(shown[at]), at, shown.length);

function open(at) {
  opened = true;
  mark(at);
  show(at);
  $("drawer").focus();
  $("page").inert = innerWidth <= 560;
}

function shut() {
  const was = opened;
  opened = false;
  drawer.hide();
  $("page").inert = false;
  return was;
}

function close() {
  if (shut() && list) list.focus(current);
}

function step(by) {
  if (!shown.length) return;
  const at = Math.min(shown.length - 1, Math.max(0, current + by));
  if (opened) {
    const button = document.activeElement && document.activeElement.dataset.go;
    mark(at);
    show(at);
    const again = button && $("drawer").querySelector(`[data-go="${button}"]`);
    (again || $("drawer")).focus();
  } else {
    mark(at);
    list.focus(at);
  }
}

function cards() {
  const pair = problem => {
    const found = problem.rows.map(at => rows[at]);
    const lit = problem.scene && found.find(row => row.scene === problem.scene);
    if (lit) return pictures(lit).slice(1).map((each, at) => h("span", { class: "state" }, thumb(each, 40), [words.now, words.fixed_short][at]));
    return found.filter(row => row.pictured).slice(0, 3).map(row => thumb(pictures(row)[0], 40));
  };
  replace(
    $("cards"),
    problems.map((problem, at) =>
      h(
        "button",
        {
          type: "button",
          class: "pc",
          "data-problem": at,
          "aria-pressed": "false",
          onclick: () => narrow({ problem: filters.problem === at ? -1 : at }),
        },
        severity(problem.severity, word(problem.severity)),
        h("span", { class: "head" }, h("span", { class: "n" }, String(problem.count)), h("span", { class: "ti" }, problem.title)),
        h("span", { class: "wy" }, prose(problem.why)),
        h("span", { class: "ft" }, h("span", null, problem.effect), h("span", { class: "pair" }, pair(problem))),
      ),
    ),
  );
}

/** The folders, largest first; the smallest ones together. */
function folders(after) {
  const size = folder => (after ? folder.after : folder.memory);
  const all = data.folders.filter(folder => size(folder) > 0).sort((a, b) => size(b) - size(a));
  const total = all.reduce((sum, folder) => sum + size(folder), 0);
  const large = all.filter((folder, at) => at < MAX_FOLDERS && size(folder) > total / 400), small = all.slice(large.length);
  if (small.length > 1) {
    const sum = key => small.reduce((all, folder) => all + folder[key], 0);
    large.push({ name: fill(words.smaller, { count: small.length }), memory: sum("memory"), after: sum("after"), textures: sum("textures"), rest: true });
  } else large.push(...small);
  return [large.sort((a, b) => size(b) - size(a)), size];
}

function enter(folder) {
  narrow({ problem: -1, severity: "", kind: "", text: "", folder: folder.name && `${folder.name}/` });
  $("h-textures").scrollIntoView();
}

let freed = false;
function treemap() {
  const host = $("tm");
  if (!host) return;
  const [all, size] = folders(freed);
  replace(
    host,
    squarify(all, size, host.clientWidth, host.clientHeight).map(([folder, x, y, width, height]) => {
      const name = folder.rest ? folder.name : folder.name || "/", small = width < 96 || height < 44;
      const share = freed || folder.memory <= folder.after ? 0 : 1 - folder.after / folder.memory;
      const label = `${name}, ${bytes(size(folder))}, ${fill(words.texture_count, { count: folder.textures })}`;
      const hatch = share > 0 && h("i", { style: { height: `${share * 100}%` } });
      const text = small
        ? width > 48 && height > 24 && h("span", { class: "lab cut" }, name.split("/").pop() || name)
        : [h("b", { class: "lab cut" }, name), h("span", { class: "lab v cut" }, `${bytes(size(folder))} · ${folder.textures}`)];
      const pressable = rows.length > 0 && !folder.rest && Math.min(width, height) >= LEAST_TARGET;
      return h(
        pressable ? "button" : "div",
        {
          type: pressable && "button",
          role: pressable ? null : "img",
          class: small ? "tight" : null,
          title: label,
          "aria-label": label,
          style: { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` },
          onclick: pressable && (() => enter(folder)),
        },
        hatch,
        text,
      );
    }),
  );
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    if (opened) close();
    else if (event.target === $("q")) narrow({ text: "" });
    return;
  }
  if (event.target.matches("input, select, textarea")) return;
  const key = event.key.toLowerCase();
  if (key === "/" && $("q")) {
    event.preventDefault();
    close();
    $("q").focus();
  } else if (key === "j") step(1);
  else if (key === "k") step(-1);
  else if (key === "g" && list) view(mode === "grid" ? "table" : "grid");
  else if (key === "enter" && event.target === document.body && current >= 0) open(current);
}

const drawer = new Drawer($("drawer"), data, { step, close });
let severities = null, modes = null;

$("theme").addEventListener("click", toggleTheme);
$("print").addEventListener("click", () => print());
for (const each of document.querySelectorAll("[data-copy]"))
  each.append(copyButton(each.dataset.copy, { label: words.copy_command, copied: words.copied }, { class: "btn quiet icon s" }));

if (rows.length) {
  const levels = Object.keys(words.severities).filter(level => problems.some(problem => problem.severity === level));
  severities = segmented(words.columns.severity, [["", words.all], ...levels.map(level => [level, words.severities[level]])], "", value => narrow({ severity: value }));
  modes = segmented(words.view, [["grid", icon("grid"), words.grid], ["table", icon("table"), words.table]], mode, view);
  $("severities").append(severities);
  $("modes").append(modes);
  $("q").addEventListener("input", event => {
    filters.text = event.target.value;
    filter();
  });
  $("kind").addEventListener("change", event => narrow({ kind: event.target.value }));
  $("sort").addEventListener("change", event => sort(event.target.value));
  for (const kind of [...new Set(rows.map(row => row.kind).filter(Boolean))].sort(collator.compare)) $("kind").append(h("option", { value: kind }, kind));
  cards();
  filter();
  addEventListener("keydown", keys);
  addEventListener("DOMContentLoaded", () => {
    const pressed = filters.problem;
    cards();
    document.querySelectorAll(".pc").forEach((each, at) => each.setAttribute("aria-pressed", String(at === pressed)));
    if (list) list.refresh();
    if (opened) show(current);
  });
  let before = mode;
  addEventListener("beforeprint", () => {
    before = mode;
    if (mode === "grid") view("table");
    if (list) list.all();
  });
  addEventListener("afterprint", () => view(before));
}
if ($("tm")) {
  const modes = [["now", words.now], ["after", words.after]];
  const choose = value => {
    freed = value === "after";
    treemap();
  };
  if (data.folders.some(folder => folder.memory !== folder.after))
    $("tm-modes").append(segmented(words.columns.memory, modes, "now", choose));
  treemap();
  addEventListener("resize", treemap);
}
for (const each of document.querySelectorAll("[data-picture]")) each.append(thumb(data.duplicates[each.dataset.picture] || "", 52));
