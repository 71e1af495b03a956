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
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey) return;
    event.preventDefault();
    if (!document.querySelector("dialog[open]")) openSwitcher();
  });
}

function openSwitcher() {
  const input = h("input", { class: "field", placeholder: "Channel or person", "aria-label": "Jump to", autocomplete: "off", autofocus: true });
  const rows = h("div", { class: "switch-rows", role: "listbox", "aria-label": "Places" });
  const shown = dialog({ title: "Jump to", body: [input, rows], className: "dialog-small switcher" });
  let at = 0;
  let found = [];
  const go = (index) => {
    const target = found[index];
    if (!target) return;
    shown.close(null);
    target.run();
  };
  const draw = () => {
    found = places().filter((p) => p.label.toLowerCase().includes(input.value.trim().toLowerCase())).slice(0, MOST);
    at = Math.min(at, Math.max(0, found.length - 1));
    rows.replaceChildren(
      ...found.map((p, i) => h("div", { class: "completion-item", role: "option", "aria-selected": String(i === at), onclick: () => go(i) }, h("span", { class: "completion-lead" }, p.lead), h("span", { class: "completion-label" }, p.label))),
    );
    if (!found.length) rows.append(h("p", { class: "empty-note" }, "Nothing of that name."));
  };
  input.addEventListener("input", () => {
    at = 0;
    draw();
  });
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") go(at);
    if (!step) return;
    event.preventDefault();
    at = Math.max(0, Math.min(found.length - 1, at + step));
    draw();
  });
  draw();
}

function places() {
  const { channels, users } = state.store.workspace;
  const rooms = channels.filter((c) => c.kind !== "im").map((c) => ({ label: c.name, lead: channelSign(c), run: () => goToChannel(c.id) }));
  const people = users.filter((u) => u.id !== state.me()).map((u) => ({ label: state.nameOfUser(u.id), lead: avatarOfUser(u.id, "avatar-tiny"), run: () => openDm(u.id) }));
  return [{ label: `${state.appName()} Home`, lead: icon("home"), run: goHome }, ...rooms, ...people];
}
