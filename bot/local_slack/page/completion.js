// Completion while typing: people after @, channels after #, emoji after :, commands after / at the start.
// It finds what stands before the caret and offers what fits; the composer puts it in.

import { h, icon } from "./dom.js";
import { searchEmoji } from "./emoji.js";
import { avatarOfUser, channelSign } from "./people.js";
import { nameOfUser, store } from "./state.js";

const MOST = 8;
const TRIGGERS = [
  { at: /^(\/[\w-]*)$/, find: commands },
  { at: /(?:^|[\s(])(@[\p{L}\p{N}._-]*)$/u, find: people },
  { at: /(?:^|[\s(])(#[\p{L}\p{N}_-]*)$/u, find: channels },
  { at: /(?:^|[\s(])(:[a-z0-9_+-]{1,})$/, find: emoji },
];

const RANGES = [
  { id: "here", note: "Everyone here now" },
  { id: "channel", note: "Everyone in this channel" },
];

/** A listbox that belongs to `field`; `accept(item, start)` replaces what was typed. */
export function createCompletion(field, accept) {
  const id = `completion-${++counter}`;
  const box = h("div", {
    class: "completion",
    role: "listbox",
    id,
    "aria-label": "Suggestions",
    hidden: true,
  });
  const self = { box, items: [], at: 0, start: 0 };
  // A textarea may not be a combobox; as a textbox it may still point at its list.
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-haspopup", "listbox");
  field.setAttribute("aria-controls", id);
  const take = (index) => {
    const item = self.items[index];
    hide(self, field);
    if (item) accept(item, self.start);
  };
  Object.assign(self, {
    update: () => update(self, field, take),
    hide: () => hide(self, field),
    isOpen: () => !box.hidden,
    handle: (event) => handle(self, field, event, take),
  });
  return self;
}

let counter = 0;

function update(self, field, take) {
  const before = field.value.slice(0, field.selectionStart);
  for (const { at, find } of TRIGGERS) {
    const match = at.exec(before);
    if (!match || field.selectionStart !== field.selectionEnd) continue;
    self.start = before.length - match[1].length;
    self.items = find(match[1].slice(1).toLowerCase()).slice(0, MOST);
    self.at = 0;
    draw(self, field, take);
    return;
  }
  hide(self, field);
}

function draw(self, field, take) {
  self.box.hidden = !self.items.length;
  const rows = self.items.map((item, index) =>
    h(
      "div",
      {
        class: "completion-item",
        role: "option",
        id: `${self.box.id}-${index}`,
        "aria-selected": String(index === self.at),
        onpointerdown: (event) => event.preventDefault(),
        onclick: () => take(index),
      },
      h("span", { class: "completion-lead" }, item.lead),
      h("span", { class: "completion-label" }, item.label),
      h("span", { class: "completion-note" }, item.note || ""),
    ),
  );
  self.box.replaceChildren(...rows);
  if (rows[self.at]) {
    field.setAttribute("aria-activedescendant", rows[self.at].id);
    rows[self.at].scrollIntoView({ block: "nearest" });
  }
}

function hide(self, field) {
  self.box.hidden = true;
  field.removeAttribute("aria-activedescendant");
}

function handle(self, field, event, take) {
  if (self.box.hidden) return false;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    self.at = (self.at + step + self.items.length) % self.items.length;
    draw(self, field, take);
  } else if (event.key === "Enter" && isComplete(self, field)) return false;
  else if (event.key === "Tab" || (event.key === "Enter" && !event.shiftKey)) take(self.at);
  else if (event.key === "Escape") hide(self, field);
  else return false;
  event.preventDefault();
  event.stopPropagation();
  return true;
}

/** A command that stands there in full is sent by Enter, not completed once more. */
function isComplete(self, field) {
  const insert = (self.items[self.at]?.insert ?? "").trim();
  return insert.startsWith("/") && field.value.trim() === insert;
}

function commands(query) {
  return store.workspace.commands
    .filter((c) => c.command.slice(1).startsWith(query))
    .map((c) => ({
      insert: `${c.command} `,
      label: c.command,
      lead: icon("bolt"),
      note: [c.usage_hint, c.description].filter(Boolean).join(" · "),
    }));
}

function people(query) {
  const found = store.workspace.users
    .filter((u) => fits(nameOfUser(u.id), query) || fits(u.name, query))
    .map((u) => ({
      insert: `@${nameOfUser(u.id)} `,
      label: nameOfUser(u.id),
      lead: avatarOfUser(u.id, "avatar-tiny"),
      note: u.is_bot ? "app" : u.name,
    }));
  const ranges = RANGES.filter((r) => r.id.startsWith(query)).map((r) => ({
    insert: `@${r.id} `,
    label: `@${r.id}`,
    lead: icon("at"),
    note: r.note,
  }));
  return [
    ...found.sort((a, b) => Number(fits(b.label, query)) - Number(fits(a.label, query))),
    ...ranges,
  ];
}

function channels(query) {
  return store.workspace.channels
    .filter(
      (c) =>
        (c.kind === "channel" || c.kind === "private") && !c.is_archived && fits(c.name, query),
    )
    .map((c) => ({ insert: `#${c.name} `, label: c.name, lead: channelSign(c), note: c.topic }));
}

function emoji(query) {
  return searchEmoji(query, MOST).map((e) => ({
    insert: `:${e.name}: `,
    label: `:${e.name}:`,
    lead: e.char,
    note: "",
  }));
}

function fits(name, query) {
  const low = String(name).toLowerCase();
  return low.startsWith(query) || low.split(/[\s._-]/).some((word) => word.startsWith(query));
}
