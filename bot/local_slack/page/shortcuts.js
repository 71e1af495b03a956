// Ctrl+/ shows which keys do what.

import { h } from "./dom.js";
import { dialog } from "./popover.js";

const KEYS = [
  ["Ctrl K", "Jump to a channel or person"],
  ["Enter", "Send, or open the thread of the chosen message"],
  ["Shift Enter", "New line"],
  ["@  #  :  /", "Complete people, channels, emoji, commands"],
  ["↑ in an empty field", "Edit your last message"],
  ["↑  ↓ in a list", "Move between messages or sidebar entries"],
  ["Tab on a message", "Reach its toolbar"],
  ["Esc", "Close what is open"],
  ["Ctrl Enter in a form", "Submit it"],
];

export function listenForHelp() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (!document.querySelector("dialog[open]")) showKeys();
  });
}

function showKeys() {
  const rows = KEYS.map(([keys, words]) =>
    h("div", { class: "key-row" }, h("kbd", null, keys), h("span", null, words)),
  );
  dialog({ title: "Keyboard", body: h("div", { class: "keys" }, rows), className: "dialog-small" });
}
