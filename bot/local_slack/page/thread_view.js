// The thread beside its channel: root, replies, what the agent is doing now with a Stop button, and a composer.

import { tell, tryAct } from "./api.js";
import { createComposer } from "./composer.js";
import { clear, h, icon, iconButton } from "./dom.js";
import { busy } from "./elements.js";
import { loadThread } from "./loading.js";
import { createMessageList } from "./message_list.js";
import { goToChannel } from "./router.js";
import * as state from "./state.js";

const STATUS_LINES = {
  processing: "is working…",
  suspended: "is waiting for you.",
};

let view = null; // {channel, ts, list, status, title, composer, node}

export async function showThread(aside, channel, ts) {
  if (view?.channel === channel && view.ts === ts && aside.contains(view.node)) return;
  view = build(channel, ts);
  clear(aside).append(view.node);
  aside.hidden = false;
  draw();
  try {
    await loadThread(channel, ts);
  } catch (error) {
    tell(error);
  }
  if (view?.ts !== ts) return;
  draw();
  view.list.toEnd();
  view.composer?.focus();
}

export function hideThread(aside) {
  view = null;
  aside.hidden = true;
  clear(aside);
}

export function listenToThreads() {
  state.on("thread", ({ channel, ts }) => view?.channel === channel && view.ts === ts && draw());
  state.on(
    "session",
    ({ channel, ts }) => view?.channel === channel && view.ts === ts && drawSession(),
  );
}

function build(channel, ts) {
  const place = { channel, threadTs: ts };
  const list = createMessageList({ place, label: "Messages in this thread" });
  const title = h("div", { class: "thread-title" });
  const status = h("div", { class: "session", "aria-live": "polite" });
  const back = iconButton("back", "Back to the channel", () => goToChannel(channel), {
    class: "icon-button only-narrow-thread",
  });
  const close = iconButton("close", "Close the thread", () => goToChannel(channel), {
    class: "icon-button not-narrow-thread",
  });
  const head = h("header", { class: "main-head thread-head" }, back, title, close);
  const built = { channel, ts, list, title, status };
  const found = state.channel(channel);
  const foot =
    found && !found.is_archived && (found.is_member || found.kind === "im")
      ? composerFor(built)
      : archivedNote();
  built.node = h(
    "div",
    { class: "channel-view" },
    head,
    list.node,
    status,
    h("div", { class: "main-foot" }, foot),
  );
  built.node.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) goToChannel(channel);
  });
  return built;
}

function composerFor(built) {
  const { channel, ts, list } = built;
  built.composer = createComposer({
    channel,
    threadTs: ts,
    label: "Reply…",
    onUp: () => list.editLast(),
    onSent: () => list.toEnd(),
  });
  return built.composer.node;
}

function archivedNote() {
  return h("div", { class: "foot-note" }, icon("archive"), "You cannot write here.");
}

function draw() {
  const thread = state.threadOf(view.channel, view.ts);
  view.list.show(state.inOrder(thread.messages));
  const gone = thread.loaded && !thread.messages.size;
  clear(view.list.head).append(gone ? h("p", { class: "empty-note" }, "This thread is gone.") : "");
  drawSession();
}

function drawSession() {
  const session = state.store.sessions.get(state.threadKey(view.channel, view.ts));
  const place = state.channel(view.channel);
  const where =
    place?.kind === "im" ? state.nameOfUser(place.user) : `#${state.nameOfChannel(view.channel)}`;
  clear(view.title).append(
    h("h2", { title: session?.title || "" }, session?.title || "Thread"),
    h("span", null, where),
  );
  const parts = sessionParts(session);
  const text = JSON.stringify([session?.status, session?.status_text]);
  if (view.sessionText === text) return;
  view.sessionText = text;
  clear(view.status).append(...parts);
  view.status.classList.toggle("shown", parts.length > 0);
}

function sessionParts(session) {
  const line = session?.status_text || STATUS_LINES[session?.status];
  if (!session || !line) return [];
  const name = state.appName();
  const working = session.status === "processing";
  const stop = h(
    "button",
    {
      type: "button",
      class: "button small stop",
      onclick: () =>
        busy(stop, () => tryAct("stop_session", { channel: view.channel, thread_ts: view.ts })),
    },
    icon("stop"),
    "Stop",
  );
  return [
    h("i", { class: session.status === "suspended" ? "pulse-dot waiting" : "pulse-dot" }),
    h("span", { class: "session-line" }, h("b", null, name), ` ${line}`),
    working ? stop : null,
  ].filter(Boolean);
}
