// table, data_table and data_visualization blocks.

import { h } from "./dom.js";
import { plain } from "./mrkdwn.js";
import { richText } from "./rich_text.js";

const DEFAULT_PAGE_SIZE = 5;

export function tableBlock(b) {
  const [head, ...body] = b.rows || [];
  const settings = b.column_settings || [];
  const row = (tag) => (cells) =>
    h(
      "tr",
      null,
      (cells || []).map((cell, i) => cellNode(tag, cell, settings[i])),
    );
  return scrolling(
    h(
      "table",
      null,
      head ? h("thead", null, row("th")(head)) : null,
      h("tbody", null, body.map(row("td"))),
    ),
  );
}

/** A table that sorts by a click on its heads and turns pages. */
export function dataTable(b) {
  const [head = [], ...body] = b.rows || [];
  const size = Math.max(1, Math.min(100, b.page_size || DEFAULT_PAGE_SIZE));
  const pages = Math.max(1, Math.ceil(body.length / size));
  const self = { body, size, pages, page: 0, by: -1, down: false };
  self.tbody = h("tbody");
  self.note = h("span", { class: "table-note" });
  drawPage(self);
  const caption = b.caption ? h("caption", null, plain(b.caption.text ?? b.caption)) : null;
  const heads = h(
    "thead",
    null,
    h(
      "tr",
      null,
      head.map((cell, column) => sortHead(self, cell, column)),
    ),
  );
  return h(
    "div",
    null,
    scrolling(h("table", null, caption, heads, self.tbody)),
    pages > 1 ? pageFoot(self) : null,
  );
}

/** Charts are shown as what they are made of: names, numbers, and a bar for each. */
export function dataVisualization(b) {
  const chart = b.chart || b;
  const points = (chart.series || [])
    .flatMap((s) => s.data || s.data_points || [])
    .concat(chart.segments || []);
  const rows = points.map((p) => [
    String(p.label ?? p.x ?? p.name ?? ""),
    Number(p.value ?? p.y ?? 0),
  ]);
  const most = Math.max(1e-9, ...rows.map(([, value]) => Math.abs(value)));
  const bars = rows.map(([label, value]) =>
    h(
      "div",
      { class: "chart-row" },
      h("span", null, label),
      bar(value, most),
      h("b", null, String(value)),
    ),
  );
  return h(
    "div",
    { class: "b-chart" },
    h("div", { class: "b-card-title" }, plain(b.title?.text ?? b.title ?? "Chart")),
    bars,
  );
}

function drawPage(self) {
  const rows = sorted(self.body, self).slice(self.page * self.size, (self.page + 1) * self.size);
  const cells = (row) => row.map((cell) => cellNode("td", cell));
  self.tbody.replaceChildren(...rows.map((row) => h("tr", null, cells(row))));
  self.note.textContent = `${self.page + 1} of ${self.pages}`;
}

function sortHead(self, cell, column) {
  const sort = () => {
    self.down = self.by === column && !self.down;
    self.by = column;
    drawPage(self);
  };
  const numeric = self.body[0]?.[column]?.type === "raw_number";
  return h(
    "th",
    { class: numeric ? "align-right" : null },
    h("button", { type: "button", class: "table-sort", onclick: sort }, cellWords(cell)),
  );
}

function pageFoot(self) {
  const turn = (step) => () => {
    self.page = Math.max(0, Math.min(self.pages - 1, self.page + step));
    drawPage(self);
  };
  return h(
    "div",
    { class: "table-foot" },
    button("Previous", turn(-1)),
    self.note,
    button("Next", turn(1)),
  );
}

function bar(value, most) {
  return h("i", { style: { width: `${Math.round((100 * Math.abs(value)) / most)}%` } });
}

function button(label, onclick) {
  return h("button", { type: "button", class: "button small", onclick }, label);
}

function scrolling(table) {
  return h(
    "div",
    { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Table" },
    table,
  );
}

function cellNode(tag, cell, setting) {
  const numeric = cell?.type === "raw_number";
  const align = setting?.align || (numeric ? "right" : null);
  const classes = [align && `align-${align}`, setting?.is_wrapped === false && "nowrap"]
    .filter(Boolean)
    .join(" ");
  const inner = cell?.type === "rich_text" ? richText(cell) : cellWords(cell);
  return h(tag, { class: classes || null }, inner);
}

function cellWords(cell) {
  if (cell === null || cell === undefined) return "";
  if (typeof cell !== "object") return String(cell);
  if (cell.type === "rich_text") return richText(cell);
  return plain(String(cell.text ?? cell.value ?? cell.number ?? ""));
}

function sorted(rows, { by, down }) {
  if (by < 0) return rows;
  const value = (row) => row[by]?.value ?? row[by]?.number ?? row[by]?.text ?? "";
  const order = [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    const numeric = x !== "" && y !== "" && !Number.isNaN(Number(x)) && !Number.isNaN(Number(y));
    return numeric ? Number(x) - Number(y) : String(x).localeCompare(String(y));
  });
  return down ? order.reverse() : order;
}
