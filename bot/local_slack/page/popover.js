// Things that float: menus, pickers, and dialogs. Each gives the focus back to where it came from.

import { h, icon, iconButton, rovingFocus } from "./dom.js";
import { withEmoji } from "./emoji.js";

const GAP_PX = 6;
let open = null;

/** Show `content` beside `anchor` until a click outside, Escape, or close(). */
export function popover(anchor, content, { label, onclose } = {}) {
  open?.close();
  const panel = h(
    "div",
    { class: "popover", role: "dialog", "aria-label": label || "Menu" },
    content,
  );
  const host = anchor.closest("dialog") || document.body;
  host.append(panel);
  place(panel, anchor);
  const close = () => {
    if (!panel.isConnected) return;
    const hadFocus = panel.contains(document.activeElement);
    panel.remove();
    document.removeEventListener("pointerdown", outside, true);
    open = null;
    if (hadFocus && anchor.isConnected) anchor.focus();
    onclose?.();
  };
  const outside = (event) => {
    if (!panel.contains(event.target) && !anchor.contains(event.target)) close();
  };
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" && event.key !== "Tab") return;
    if (event.key === "Tab" && panel.querySelector("input")) return;
    event.preventDefault();
    event.stopPropagation();
    close();
  });
  document.addEventListener("pointerdown", outside, true);
  open = { close };
  return open;
}

/** A menu of {label, icon?, danger?, checked?, run}; items that are null are left out. */
export function menu(anchor, items, label = "Menu") {
  const rows = items.filter(Boolean).map((item, index) =>
    h(
      "button",
      {
        type: "button",
        class: item.danger ? "menu-item danger" : "menu-item",
        role: "menuitem",
        tabindex: index ? -1 : 0,
        onclick: () => {
          pop.close();
          item.run();
        },
      },
      item.lead || (item.icon ? icon(item.icon) : null),
      h(
        "span",
        { class: "menu-label" },
        item.label,
        item.note ? h("small", null, item.note) : null,
      ),
      item.checked ? icon("check") : null,
    ),
  );
  const list = h("div", { class: "menu", role: "menu", "aria-label": label }, rows);
  rovingFocus(list, ".menu-item");
  const pop = popover(anchor, list, { label });
  rows[0]?.focus();
}

/** A modal dialog that traps the focus; `build(close)` gives its parts. Resolves with what close() was given. */
export function dialog({ title, body, footer, className = "", onCancel }) {
  const before = document.activeElement;
  let settle;
  const done = new Promise((resolve) => {
    settle = resolve;
  });
  const close = (value) => {
    node.close();
    node.remove();
    if (before?.isConnected) before.focus();
    settle(value);
  };
  const cancel = () => (onCancel ? onCancel(close) : close(null));
  const heading = h("h2", { class: "dialog-title", id: `dialog-${++counter}` }, title);
  const node = h(
    "dialog",
    { class: `dialog ${className}`, "aria-labelledby": heading.id },
    h("header", { class: "dialog-head" }, heading, iconButton("close", "Close", cancel)),
    h("div", { class: "dialog-body" }, body),
    footer ? h("footer", { class: "dialog-foot" }, footer(close)) : null,
  );
  node.addEventListener("cancel", (event) => {
    event.preventDefault();
    cancel();
  });
  document.body.append(node);
  node.showModal();
  return { node, close, done };
}

/** Ask yes or no the way a Block Kit `confirm` object says it. */
export async function confirmed(confirm) {
  if (!confirm) return true;
  const text = (part, fallback) => withEmoji(part?.text ?? fallback);
  const danger = confirm.style === "danger";
  const shown = dialog({
    title: text(confirm.title, "Are you sure?"),
    body: h("p", { class: "dialog-text" }, text(confirm.text, "")),
    className: "dialog-small",
    footer: (close) => [
      h(
        "button",
        { type: "button", class: "button", onclick: () => close(false) },
        text(confirm.deny, "Cancel"),
      ),
      h(
        "button",
        {
          type: "button",
          class: danger ? "button danger" : "button primary",
          autofocus: true,
          onclick: () => close(true),
        },
        text(confirm.confirm, "Yes"),
      ),
    ],
  });
  return Boolean(await shown.done);
}

let counter = 0;

function place(panel, anchor) {
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = panel;
  const above = box.top - height - GAP_PX;
  const below = box.bottom + GAP_PX;
  const top = below + height < window.innerHeight || above < 8 ? below : above;
  const left = Math.min(Math.max(8, box.right - width), window.innerWidth - width - 8);
  panel.style.top = `${Math.max(8, Math.min(top, window.innerHeight - height - 8))}px`;
  panel.style.left = `${Math.max(8, left)}px`;
}
