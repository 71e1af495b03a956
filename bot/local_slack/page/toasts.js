// Short notes in the corner, and what a screen reader is told of new messages.

import { h, icon, iconButton } from "./dom.js";
import { authorOf } from "./people.js";
import { messageWords } from "./message_view.js";
import { me, on, store } from "./state.js";

const SHOWN_MS = 6000;

export function startToasts(holder, announcer) {
  on("toast", ({ text, level }) => toast(holder, text, level));
  on("frame", (frame) => {
    if (frame.type !== "message" && frame.type !== "ephemeral") return;
    if (frame.channel !== store.route.channel || frame.message.user === me()) return;
    announcer.textContent = `${authorOf(frame.message).name}: ${messageWords(frame.message).slice(0, 200)}`;
  });
}

function toast(holder, text, level = "info") {
  for (const old of holder.children) if (old.dataset.text === text) old.remove();
  const close = () => node.remove();
  const node = h(
    "div",
    { class: `toast toast-${level}`, data: { text } },
    icon(level === "error" ? "warn" : "info"),
    h("span", null, text),
    iconButton("close", "Dismiss", close),
  );
  holder.append(node);
  window.setTimeout(close, SHOWN_MS);
}
