// Ctrl+K: jump to a channel, a person or a place by typing a few letters.

import { h, icon } from "./dom.js";
import { avatarOfUser, channelSign } from "./people.js";
import { dialog } from "./popover.js";
import { goHome, goToChannel } from "./router.js";
import { openDm } from "./sidebar.js";
import * as state from "./state.js";

const MOST = 9;

export function listenForSwitcher() {
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey)
      return;
    event.preventDefault();
    if (!document.querySelector("dialog[open]")) openSwitcher();
  });
}

function openSwitcher() {
  const input = h("input", {
    class: "field",
    placeholder: "Channel or person",
    "aria-label": "Jump to",
    autocomplete: "off",
    autofocus: true,
  });
  const rows = h("div", { class: "switch-rows", role: "listbox", "aria-label": "Places" });
  const shown = dialog({
    title: "Jump to",
    body: [input, rows],
    className: "dialog-small switcher",
  });
  const self = { input, rows, shown, found: [], at: 0 };
  input.addEventListener("input", () => choose(self, 0));
  input.addEventListener("keydown", (event) => onKey(self, event));
  choose(self, 0);
}

function choose(self, at) {
  const wanted = self.input.value.trim().toLowerCase();
  self.found = places()
    .filter((p) => p.label.toLowerCase().includes(wanted))
    .slice(0, MOST);
  self.at = Math.max(0, Math.min(self.found.length - 1, at));
  const nodes = self.found.map((place, index) => placeNode(self, place, index));
  self.rows.replaceChildren(...nodes);
  if (!nodes.length) self.rows.append(h("p", { class: "empty-note" }, "Nothing of that name."));
}

function placeNode(self, place, index) {
  return h(
    "div",
    {
      class: "completion-item",
      role: "option",
      "aria-selected": String(index === self.at),
      onclick: () => go(self, index),
    },
    h("span", { class: "completion-lead" }, place.lead),
    h("span", { class: "completion-label" }, place.label),
  );
}

function go(self, index) {
  const target = self.found[index];
  if (!target) return;
  self.shown.close(null);
  target.run();
}

function onKey(self, event) {
  if (event.key === "Enter") go(self, self.at);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  choose(self, self.at + step);
}

function places() {
  const { channels, users } = state.store.workspace;
  const rooms = channels
    .filter((c) => c.kind !== "im")
    .map((c) => ({ label: c.name, lead: channelSign(c), run: () => goToChannel(c.id) }));
  const people = users
    .filter((u) => u.id !== state.me())
    .map((u) => ({
      label: state.nameOfUser(u.id),
      lead: avatarOfUser(u.id, "avatar-tiny"),
      run: () => openDm(u.id),
    }));
  return [
    { label: `${state.appName()} Home`, lead: icon("home"), run: goHome },
    ...rooms,
    ...people,
  ];
}
