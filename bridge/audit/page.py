"""What the HTML report looks like, and how its table is sorted and filtered."""

STYLE = """
:root { color-scheme: light dark; --line: #8884; --wrong: #b3261e; --waste: #8a5a00; --mended: #1d7a3c; }
@media (prefers-color-scheme: dark) { :root { --wrong: #ff8a80; --waste: #ffc46b; --mended: #7fdca0; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
input { font: inherit; min-width: 22rem; max-width: 100%; padding: .3rem .5rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .4rem .6rem; border-top: 1px solid var(--line); }
/* A row that isn't on the screen isn't laid out, which only a row of fixed columns allows. */
#rows, #rows :is(thead, tbody) { display: block; min-width: 64rem; }
#rows { --memory: 7rem; --setting: minmax(0, 4fr); }
#rows tr { display: grid; grid-template-columns: 5.5rem 5.5rem minmax(0, 4fr) 7rem 7rem 5.5rem var(--memory)
  minmax(0, 6fr) var(--setting); border-top: 1px solid var(--line); }
#rows tbody tr { content-visibility: auto; contain-intrinsic-height: auto 5.4rem; }
#rows tr[hidden] { display: none; }
#rows :is(td, th) { overflow-wrap: anywhere; border: none; }
#rows thead { position: sticky; top: 0; background: Canvas; z-index: 1; }
#rows.no-memory { --memory: ; } #rows.no-setting { --setting: ; }
.no-memory :is(td, th):nth-child(7), .no-setting :is(td, th):nth-child(9) { display: none; }
/* Where that has no room, each row is a card: the picture, and all else below one another beside it. */
@media (max-width: 66rem) {
  body { margin: 1rem; }
  td { overflow-wrap: anywhere; }
  #rows, #rows :is(thead, tbody) { min-width: 0; }
  #rows thead { position: static; }
  #rows thead tr { display: flex; flex-wrap: wrap; }
  #rows th:first-child, #rows td:empty { display: none; }
  #rows tbody tr { grid-template-columns: 5.5rem minmax(0, 1fr); padding: .4rem 0; }
  #rows td { grid-column: 2; padding: .1rem .6rem; }
  #rows td:first-child { grid-area: 1 / 1 / span 9; }
}
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:focus-visible { outline: 2px solid; }
th[aria-sort=ascending] button::after { content: " ▲"; }
th[aria-sort=descending] button::after { content: " ▼"; }
img { width: 64px; height: 64px; object-fit: contain;
  background: repeating-conic-gradient(#8883 0 25%, transparent 0 50%) 0 0 / 16px 16px; }
p.issue { margin: 0 0 .3rem; } code { font-size: 12px; opacity: .8; overflow-wrap: anywhere; }
.wrong, .waste, .note { white-space: nowrap; } .issue { white-space: normal; }
.wrong { color: var(--wrong); font-weight: 600; } .waste { color: var(--waste); }
.mended { color: var(--mended); }
"""

SCRIPT = """
const table = document.getElementById("rows");
if (table) {
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  const filter = document.getElementById("filter"), shown = document.getElementById("shown");
  const words = rows.map(row => [...row.cells].map(cell => cell.textContent).join(" ").toLowerCase());
  const compare = new Intl.Collator(document.documentElement.lang, { numeric: true }).compare;
  const key = (row, at) => row.cells[at].dataset.sort;
  const show = () => {
    const wanted = filter.value.toLowerCase().split(/\\s+/);
    let count = 0;
    rows.forEach((row, at) => {
      row.hidden = !wanted.every(word => words[at].includes(word));
      count += !row.hidden;
    });
    shown.value = shown.dataset.text.replace("{}", count);
  };
  heads.forEach((head, at) => head.querySelector("button")?.addEventListener("click", () => {
    const now = head.getAttribute("aria-sort");
    const down = now ? now === "ascending" : head.hasAttribute("data-largest");
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sorted = [...rows].sort((a, b) => (down ? -1 : 1) * compare(key(a, at), key(b, at)));
    body.append(...sorted);
  }));
  filter.addEventListener("input", show);
  show();
}
"""
