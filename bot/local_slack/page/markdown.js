// Markdown as agents write it, rendered from scratch into DOM: no raw HTML, no pictures fetched, safe links only.
// Blocks here; what stands inside a line is in markdown_inline.js.

import { codeBlock } from "./code.js";
import { h } from "./dom.js";
import { inlineMarkdown } from "./markdown_inline.js";

const DEEPEST = 12;
const FENCE = /^( {0,3})(`{3,}|~{3,})\s*([^`\s]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})(?:\s+(.*?))?\s*#*\s*$/;
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?:( +)(.*)|$)/;
const TABLE_RULE = /^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/** A fragment showing Markdown text. */
export function markdown(text) {
  const rows = String(text ?? "")
    .replaceAll("\r\n", "\n")
    .replaceAll("\t", "    ")
    .split("\n");
  return h("div", { class: "markdown" }, blocks(rows, 0));
}

function blocks(rows, depth) {
  if (depth > DEEPEST) return [h("p", null, rows.join("\n"))];
  const out = [];
  let at = 0;
  while (at < rows.length) {
    if (!rows[at].trim()) {
      at += 1;
      continue;
    }
    const reader = READERS.find((r) => r.starts(rows, at)) || paragraph;
    const { node, next } = reader.read(rows, at, depth);
    out.push(node);
    at = next;
  }
  return out;
}

const fence = {
  starts: (rows, at) => FENCE.test(rows[at]),
  read(rows, at) {
    const [, indent, marks, language] = FENCE.exec(rows[at]);
    let end = at + 1;
    const closing = new RegExp(`^ {0,3}${marks[0] === "~" ? "~" : "`"}{${marks.length},}\\s*$`);
    while (end < rows.length && !closing.test(rows[end])) end += 1;
    const body = rows
      .slice(at + 1, end)
      .map((row) => row.replace(new RegExp(`^ {0,${indent.length}}`), ""));
    return { node: codeBlock(body.join("\n"), language), next: end + 1 };
  },
};

const heading = {
  starts: (rows, at) => HEADING.test(rows[at]),
  read(rows, at) {
    const [, marks, text] = HEADING.exec(rows[at]);
    // The page's own heading is h1: an answer's start below it.
    const tag = `h${Math.min(6, marks.length + 1)}`;
    return {
      node: h(tag, { class: `md-h${marks.length}` }, inlineMarkdown(text || "")),
      next: at + 1,
    };
  },
};

const rule = {
  starts: (rows, at) => RULE.test(rows[at]),
  read: (_rows, at) => ({ node: h("hr"), next: at + 1 }),
};

const quote = {
  starts: (rows, at) => QUOTE.test(rows[at]),
  read(rows, at, depth) {
    let end = at;
    while (end < rows.length && (QUOTE.test(rows[end]) || continuesQuote(rows, end))) end += 1;
    const inner = rows.slice(at, end).map((row) => row.replace(QUOTE, ""));
    return { node: h("blockquote", null, blocks(inner, depth + 1)), next: end };
  },
};

const table = {
  starts: (rows, at) =>
    rows[at].includes("|") &&
    TABLE_RULE.test(rows[at + 1] || "") &&
    cells(rows[at]).length === cells(rows[at + 1]).length,
  read(rows, at) {
    const aligns = cells(rows[at + 1]).map(alignOf);
    let end = at + 2;
    while (end < rows.length && rows[end].trim() && rows[end].includes("|")) end += 1;
    const row = (tag) => (text) =>
      h(
        "tr",
        null,
        aligns.map((align, i) =>
          h(tag, { class: align && `align-${align}` }, inlineMarkdown(cells(text)[i] ?? "")),
        ),
      );
    const head = h("thead", null, row("th")(rows[at]));
    const body = h("tbody", null, rows.slice(at + 2, end).map(row("td")));
    const node = h(
      "div",
      { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Table" },
      h("table", null, head, body),
    );
    return { node, next: end };
  },
};

const list = {
  starts: (rows, at) => ITEM.test(rows[at]) && !RULE.test(rows[at]),
  read(rows, at, depth) {
    const first = ITEM.exec(rows[at]);
    const ordered = /\d/.test(first[2]);
    const items = [];
    let next = at;
    while (next < rows.length) {
      const match = ITEM.exec(rows[next]);
      if (!match || RULE.test(rows[next]) || match[1].length > first[1].length + 1) break;
      if (match[1].length < first[1].length || /\d/.test(match[2]) !== ordered) break;
      const item = readItem(rows, next, match, depth);
      items.push(item.node);
      next = item.next;
    }
    const start = ordered && parseInt(first[2], 10) !== 1 ? parseInt(first[2], 10) : null;
    return { node: h(ordered ? "ol" : "ul", { start }, items), next };
  },
};

const indented = {
  starts: (rows, at) => /^ {4}/.test(rows[at]),
  read(rows, at) {
    let end = at;
    while (end < rows.length && (/^ {4}/.test(rows[end]) || !rows[end].trim())) end += 1;
    const body = rows
      .slice(at, end)
      .map((row) => row.slice(4))
      .join("\n")
      .trimEnd();
    return { node: codeBlock(body, ""), next: end };
  },
};

const paragraph = {
  read(rows, at) {
    let end = at + 1;
    while (end < rows.length && rows[end].trim() && !interrupts(rows, end)) end += 1;
    const text = rows.slice(at, end).map((row) => row.trimStart());
    return { node: h("p", null, inlineMarkdown(text.join("\n"))), next: end };
  },
};

const READERS = [fence, heading, rule, quote, table, list, indented];

function interrupts(rows, at) {
  if (list.starts(rows, at)) return !/^ *\d/.test(rows[at]) || /^ *1[.)]/.test(rows[at]);
  return [fence, heading, rule, quote, table].some((reader) => reader.starts(rows, at));
}

function continuesQuote(rows, at) {
  return rows[at].trim() !== "" && rows[at - 1]?.replace(QUOTE, "").trim() && !interrupts(rows, at);
}

function readItem(rows, at, match, depth) {
  const [, indent, mark, gap, rest] = match;
  const width = indent.length + mark.length + Math.min((gap || " ").length, 4);
  const inner = [rest || ""];
  let next = at + 1;
  while (next < rows.length && belongs(rows, next, width, indent.length)) {
    inner.push(rows[next].slice(Math.min(width, rows[next].search(/\S|$/))));
    next += 1;
  }
  while (inner.length && !inner[inner.length - 1].trim()) inner.pop();
  return { node: itemNode(inner, depth), next };
}

// A row belongs to the item if it is indented under it, or continues its paragraph lazily.
function belongs(rows, at, width, indent) {
  const row = rows[at];
  const own = row.search(/\S|$/);
  if (!row.trim()) {
    const after = rows.slice(at + 1).find((r) => r.trim());
    return after !== undefined && after.search(/\S/) >= Math.min(width, indent + 2);
  }
  if (own >= Math.min(width, indent + 2)) return true;
  return rows[at - 1].trim() !== "" && !interrupts(rows, at) && !ITEM.test(row);
}

function itemNode(rows, depth) {
  const task = /^\[([ xX])\]\s+(.*)$/.exec(rows[0] || "");
  if (task) rows[0] = task[2];
  const loose = rows.some((row) => !row.trim());
  const children = blocks(rows, depth + 1).flatMap((node) =>
    !loose && node.tagName === "P" ? Array.from(node.childNodes) : [node],
  );
  if (!task) return h("li", null, children);
  const box = h("input", {
    type: "checkbox",
    disabled: true,
    checked: task[1] !== " ",
    "aria-label": task[1] === " " ? "To do" : "Done",
  });
  return h("li", { class: "task-item" }, box, h("div", null, children));
}

function cells(row) {
  const trimmed = row
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "");
  return trimmed.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function alignOf(cell) {
  if (/^:-+:$/.test(cell)) return "center";
  return /^-+:$/.test(cell) ? "right" : null;
}
