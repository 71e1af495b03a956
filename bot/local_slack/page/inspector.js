// The inspector: what the server and the bot say to each other, live, and the switches that make Slack misbehave.

import { read, tell } from "./api.js";
import { copy } from "./code.js";
import { clear, h, iconButton } from "./dom.js";
import { faultSwitches } from "./faults.js";
import * as state from "./state.js";

const MOST = 500;
const OPEN_KEY = "treadle.inspector";
const DIRECTIONS = {
  api: "API call",
  event: "Event",
  ack: "Ack",
  response_url: "Response URL",
  socket: "Socket",
};

const self = {
  entries: [],
  paused: false,
  waiting: 0,
  filter: "",
  direction: "",
  selected: null,
  tab: "traffic",
};

export function startInspector(node) {
  self.node = node;
  state.on("traffic", (entry) => receive(entry));
  state.on("connection", (value) => value === "open" && !node.hidden && catchUp());
  if (window.sessionStorage.getItem(OPEN_KEY)) toggleInspector();
}

export function toggleInspector() {
  const { node } = self;
  node.hidden = !node.hidden;
  if (node.hidden) window.sessionStorage.removeItem(OPEN_KEY);
  else window.sessionStorage.setItem(OPEN_KEY, "open");
  if (node.hidden) return;
  build();
  catchUp();
}

async function catchUp() {
  try {
    const { entries } = await read("traffic", { after: lastId() });
    entries.forEach(keep);
    draw();
  } catch (error) {
    tell(error);
  }
}

function lastId() {
  return self.entries.length ? self.entries[self.entries.length - 1].id : 0;
}

function receive(entry) {
  if (self.node.hidden) return;
  if (self.paused) {
    self.waiting += 1;
    self.note.textContent = `${self.waiting} more while paused`;
    return;
  }
  keep(entry);
  drawSoon();
}

// Traffic comes in bursts: one drawing per frame is enough.
function drawSoon() {
  if (self.scheduled) return;
  self.scheduled = true;
  window.requestAnimationFrame(() => {
    self.scheduled = false;
    draw();
  });
}

// An entry comes again when its answer is known: the newer one replaces it.
function keep(entry) {
  const index = self.entries.findIndex((e) => e.id === entry.id);
  if (index >= 0) self.entries[index] = entry;
  else self.entries.push(entry);
  if (self.entries.length > MOST) self.entries.splice(0, self.entries.length - MOST);
}

function build() {
  self.pause = iconButton("pause", "Pause", togglePause);
  self.note = h("span", { class: "inspector-note", role: "status" });
  self.rows = h("div", { class: "traffic", role: "listbox", tabindex: 0, "aria-label": "Traffic" });
  self.rows.addEventListener("keydown", onKey);
  self.detail = h("div", { class: "traffic-detail" });
  self.body = h("div", { class: "inspector-body" });
  const tools = [
    filterField(),
    directionSelect(),
    self.note,
    self.pause,
    iconButton("trash", "Clear", empty),
  ];
  self.tools = h("div", { class: "inspector-tools" }, tools);
  const tabs = h(
    "div",
    { class: "tabs", role: "tablist" },
    tab("traffic", "Traffic"),
    tab("faults", "Faults"),
  );
  const close = iconButton("close", "Close the inspector", toggleInspector);
  clear(self.node).append(
    h("header", { class: "inspector-head" }, tabs, self.tools, close),
    self.body,
  );
  showTab(self.tab);
}

function filterField() {
  const field = h("input", {
    type: "search",
    class: "field field-small",
    placeholder: "Filter by name or content",
    "aria-label": "Filter the traffic",
    value: self.filter,
  });
  field.addEventListener("input", () => {
    self.filter = field.value.toLowerCase();
    draw();
  });
  return field;
}

function directionSelect() {
  const kinds = Object.entries(DIRECTIONS).map(([value, label]) => h("option", { value }, label));
  const all = h("option", { value: "" }, "Everything");
  const select = h(
    "select",
    { class: "field field-small field-select", "aria-label": "Kind of traffic" },
    all,
    kinds,
  );
  select.value = self.direction;
  select.addEventListener("change", () => {
    self.direction = select.value;
    draw();
  });
  return select;
}

function tab(name, label) {
  return h(
    "button",
    {
      type: "button",
      role: "tab",
      class: "tab",
      data: { tab: name },
      "aria-selected": "false",
      onclick: () => showTab(name),
    },
    label,
  );
}

function showTab(name) {
  self.tab = name;
  for (const node of self.node.querySelectorAll(".tab"))
    node.setAttribute("aria-selected", String(node.dataset.tab === name));
  self.tools.hidden = name !== "traffic";
  clear(self.body);
  if (name === "faults") self.body.append(faultSwitches());
  else self.body.append(self.rows, self.detail);
  draw();
}

function togglePause() {
  self.paused = !self.paused;
  self.waiting = 0;
  self.note.textContent = self.paused ? "Paused" : "";
  const next = iconButton(
    self.paused ? "play" : "pause",
    self.paused ? "Resume" : "Pause",
    togglePause,
  );
  self.pause.replaceWith(next);
  self.pause = next;
  next.focus();
  if (!self.paused) catchUp();
}

function empty() {
  self.entries = [];
  self.selected = null;
  draw();
}

function draw() {
  if (self.tab !== "traffic" || !self.rows) return;
  const visible = self.entries.filter(matches);
  const atEnd = self.rows.scrollHeight - self.rows.scrollTop - self.rows.clientHeight < 40;
  self.rows.replaceChildren(...visible.map(rowNode));
  if (!visible.length)
    self.rows.append(
      h(
        "p",
        { class: "empty-note" },
        self.entries.length ? "Nothing fits the filter." : "Nothing yet. Post a message and watch.",
      ),
    );
  if (atEnd) self.rows.scrollTop = self.rows.scrollHeight;
  drawDetail();
}

function matches(entry) {
  if (self.direction && entry.direction !== self.direction) return false;
  if (!self.filter) return true;
  return JSON.stringify([entry.name, entry.status, entry.request, entry.response])
    .toLowerCase()
    .includes(self.filter);
}

function rowNode(entry) {
  const failed = isFailure(entry);
  return h(
    "div",
    {
      class: failed ? "traffic-row failed" : "traffic-row",
      role: "option",
      data: { id: entry.id },
      "aria-selected": String(entry.id === self.selected),
      onclick: () => select(entry.id),
    },
    h("time", null, momentWords(entry.at)),
    h(
      "span",
      { class: `kind kind-${String(entry.direction).replace(/\W/g, "")}` },
      DIRECTIONS[entry.direction] || entry.direction,
    ),
    h("span", { class: "traffic-name" }, entry.name),
    h("span", { class: "traffic-status" }, entry.status ?? ""),
    h(
      "span",
      { class: "traffic-ms" },
      entry.duration_ms == null ? "" : `${Math.round(entry.duration_ms)} ms`,
    ),
  );
}

function isFailure(entry) {
  const status = String(entry.status ?? "");
  return (
    entry.response?.ok === false || /^[45]\d\d$/.test(status) || /error|timeout|fail/i.test(status)
  );
}

function momentWords(at) {
  const date = typeof at === "number" ? new Date(at * 1000) : new Date(at);
  return Number.isNaN(date.getTime())
    ? String(at)
    : date.toLocaleTimeString([], { hour12: false }) +
        `.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function select(id) {
  self.selected = id;
  for (const row of self.rows.children)
    row.setAttribute("aria-selected", String(row.dataset.id === String(id)));
  drawDetail();
}

function onKey(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const visible = self.entries.filter(matches);
  const at = visible.findIndex((e) => e.id === self.selected);
  const next = visible[Math.max(0, Math.min(visible.length - 1, at + step))];
  if (!next) return;
  select(next.id);
  self.rows.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
}

function drawDetail() {
  const entry = self.entries.find((e) => e.id === self.selected);
  if (!entry) {
    clear(self.detail).append(
      h("p", { class: "empty-note" }, "Choose a line to see what was said."),
    );
    return;
  }
  if (self.detail._entry === entry) return;
  clear(self.detail).append(
    h("h3", null, entry.name),
    jsonPart("Request", entry.request),
    jsonPart("Response", entry.response),
  );
  self.detail._entry = entry;
}

function jsonPart(title, value) {
  if (value === undefined || value === null) return h("span");
  const text = JSON.stringify(value, null, 2);
  const button = iconButton("copy", `Copy the ${title.toLowerCase()}`, () => copy(text));
  return h(
    "section",
    null,
    h("div", { class: "json-head" }, h("h4", null, title), button),
    h("pre", { class: "json", tabindex: 0 }, jsonNodes(text)),
  );
}

function jsonNodes(text) {
  const token = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|-?\b\d[\d.eE+-]*\b/g;
  const out = [];
  let end = 0;
  for (const match of text.matchAll(token)) {
    if (match.index > end) out.push(text.slice(end, match.index));
    const kind = match[1] ? (match[2] ? "key" : "string") : match[3] ? "keyword" : "number";
    out.push(h("span", { class: `t-${kind}` }, match[1] || match[0]), match[2] || "");
    end = match.index + match[0].length;
  }
  out.push(text.slice(end));
  return out;
}
