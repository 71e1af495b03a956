// The middle of the page: a channel or direct message with its head, messages, suggested prompts and composer.

import { act, tell, tryAct } from "./api.js";
import { archiveChannel, renameChannel } from "./channel_dialogs.js";
import { createComposer } from "./composer.js";
import { clear, h, icon, iconButton } from "./dom.js";
import { loadChannel, loadOlder, loadWorkspace, markRead, trimAtEnd } from "./loading.js";
import { createMessageList } from "./message_list.js";
import { avatarOfUser, channelSign, presence } from "./people.js";
import { menu } from "./popover.js";
import { goNowhere, goToThread } from "./router.js";
import { toggleSidebar } from "./sidebar.js";
import { promptCards } from "./prompts.js";
import * as state from "./state.js";

const ABOUT_APP = "A channel is an agent, a thread is a task, a reaction is a rating.";

let view = null; // {channel, list, composer, head, foot, unreadFrom}

/** Show a channel in `main`. Called again for the same channel it does nothing. */
export async function showChannel(main, id) {
  if (view?.channel === id && main.contains(view.node)) return;
  const channel = state.channel(id);
  if (!channel) return showMissing(main);
  view = build(id);
  clear(main).append(view.node);
  const unread = channel.unread || 0;
  try {
    await loadChannel(id);
  } catch (error) {
    tell(error);
  }
  if (view.channel !== id) return;
  view.unreadFrom = firstUnread(id, unread);
  draw();
  view.list.toEnd();
  view.composer?.focus();
  await markRead(id);
}

export function leaveChannel() {
  view = null;
}

export function listenToChannels() {
  state.on("log", (id) => {
    if (view?.channel !== id) return;
    if (view.list.atEnd) trimAtEnd(id);
    draw();
    markRead(id);
  });
  state.on("session", ({ channel, ts }) => refreshSession(channel, ts));
  for (const topic of ["workspace", "connected"]) state.on(topic, () => view && refreshFrame());
  state.on("prompts", (id) => view?.channel === id && draw());
  document.addEventListener("visibilitychange", () => view && markRead(view.channel));
}

function build(id) {
  const place = { channel: id, openThread: (ts) => goToThread(id, ts) };
  const head = h("header", { class: "main-head" });
  const foot = h("div", { class: "main-foot" });
  const intro = h("div", { class: "intro" });
  const list = createMessageList({
    place,
    label: `Messages in ${state.nameOfChannel(id)}`,
    onOlder: () => loadOlder(id),
    intro,
  });
  const prompts = h("div", { class: "prompts-holder" });
  const node = h("div", { class: "channel-view" }, head, list.node, prompts, foot);
  const built = { channel: id, list, head, foot, intro, prompts, node, frame: "" };
  view = built;
  refreshFrame();
  return built;
}

// Head and foot follow the channel's facts; the composer stays while they stay the same kind.
function refreshFrame() {
  const channel = state.channel(view.channel);
  if (!channel) return;
  clear(view.head).append(...headParts(channel));
  const frame = footKind(channel);
  if (frame === view.frame) return;
  view.frame = frame;
  view.composer = null;
  clear(view.foot).append(footNode(channel, frame));
}

function draw() {
  const log = state.logOf(view.channel);
  const messages = state.inOrder(log.messages);
  drawIntro(log, messages);
  view.list.show(messages, { unreadFrom: view.unreadFrom });
  const send = (text) => tryAct("post", { channel: view.channel, text });
  clear(view.prompts).append(...promptCards(state.store.prompts[view.channel], messages, send));
}

function drawIntro(log, messages) {
  const channel = state.channel(view.channel);
  if (!log.loaded) return clear(view.intro).append(skeleton());
  if (log.hasMore)
    return clear(view.intro).append(h("div", { class: "older-note" }, "Loading older messages…"));
  const key = `${channel.name}|${channel.topic}|${messages.length === 0}`;
  if (view.introKey === key && view.intro.firstChild) return null;
  view.introKey = key;
  return clear(view.intro).append(...introParts(channel, messages.length === 0));
}

function introParts(channel, empty) {
  if (channel.kind === "im") {
    const own = channel.user === state.app()?.bot_user_id;
    const line = own
      ? ABOUT_APP
      : `This is the beginning of your messages with ${state.nameOfUser(channel.user)}.`;
    return [
      avatarOfUser(channel.user, "avatar-large"),
      h("h2", null, state.nameOfUser(channel.user)),
      h("p", null, line),
    ];
  }
  const name = state.appName();
  const line = empty
    ? `Nothing here yet. Mention @${name} with a problem, and its agent starts working in a thread.`
    : "This is the beginning of the channel.";
  return [
    h("span", { class: "intro-sign" }, channelSign(channel)),
    h("h2", null, channel.name),
    h("p", null, channel.topic || line),
    channel.topic ? h("p", null, line) : null,
  ].filter(Boolean);
}

function headParts(channel) {
  const bars = iconButton("menu", "Show the sidebar", toggleSidebar, {
    class: "icon-button only-narrow",
  });
  if (channel.kind === "im") return [bars, personTitle(channel)];
  const title = h(
    "div",
    { class: "main-title" },
    channelSign(channel),
    h("h1", { title: channel.name }, channel.name),
  );
  const topic = h("p", { class: "main-topic", title: channel.topic || "" }, channel.topic || "");
  const members = channel.members || [];
  const count = h(
    "span",
    { class: "member-count", title: members.map(state.nameOfUser).join(", ") },
    icon("user"),
    members.length,
  );
  return [bars, title, topic, inviteButton(channel), count, channelMenu(channel)].filter(Boolean);
}

function personTitle(channel) {
  const person = state.user(channel.user);
  const name = state.nameOfUser(channel.user);
  const badge = person?.is_bot ? h("span", { class: "badge-app" }, "APP") : null;
  return h(
    "div",
    { class: "main-title" },
    avatarOfUser(channel.user, "avatar-small"),
    h("h1", { title: name }, name),
    presence(person),
    badge,
  );
}

function inviteButton(channel) {
  const name = state.appName();
  if (!name || channel.bot_is_member || channel.is_archived || !channel.is_member) return null;
  return h(
    "button",
    {
      type: "button",
      class: "button small",
      onclick: () => tryAct("invite_bot", { channel: channel.id }),
    },
    `Add ${name}`,
  );
}

function channelMenu(channel) {
  const anchor = iconButton("more", "Channel actions", () =>
    menu(anchor, [
      channel.is_member &&
        !channel.is_archived && {
          label: "Rename channel",
          icon: "edit",
          run: () => renameChannel(channel),
        },
      channel.is_member &&
        !channel.is_archived && { label: "Leave channel", icon: "back", run: () => leave(channel) },
      !channel.is_member && {
        label: "Join channel",
        icon: "plus",
        run: () => tryAct("join", { channel: channel.id }),
      },
      channel.is_member &&
        !channel.is_archived && {
          label: "Archive channel",
          icon: "archive",
          danger: true,
          run: () => archiveChannel(channel),
        },
      {
        label: channel.id,
        note: "Channel ID",
        icon: "hash",
        run: () => navigator.clipboard?.writeText(channel.id),
      },
    ]),
  );
  return anchor;
}

// Who leaves a private channel cannot see it any more, so nothing more is said of it.
async function leave(channel) {
  if (!(await tryAct("leave", { channel: channel.id }))) return;
  await loadWorkspace();
  if (!state.channel(channel.id)) goNowhere();
}

function footKind(channel) {
  if (channel.is_archived) return "archived";
  return channel.is_member || channel.kind === "im" ? "composer" : "join";
}

function footNode(channel, kind) {
  if (kind === "archived")
    return h(
      "div",
      { class: "foot-note" },
      icon("archive"),
      "This channel is archived. It can be read, not written to.",
    );
  if (kind === "join") return joinRow(channel);
  const name = state.nameOfChannel(channel.id);
  const label = channel.kind === "im" ? `Message ${name}` : `Message #${name}`;
  view.composer = createComposer({
    channel: channel.id,
    label,
    onUp: () => view.list.editLast(),
    onSent: () => view?.list.toEnd(),
  });
  return view.composer.node;
}

function joinRow(channel) {
  const join = () => act("join", { channel: channel.id }).catch(tell);
  return h(
    "div",
    { class: "foot-note" },
    `You are looking at #${channel.name}.`,
    h("button", { type: "button", class: "button primary small", onclick: join }, "Join channel"),
  );
}

// The running mark of a root is part of its message row, so the row is drawn again.
function refreshSession(channel, ts) {
  const log = state.logOf(channel);
  const root = log.messages.get(ts);
  if (!root) return;
  log.messages.set(ts, { ...root });
  state.emit("log", channel);
}

function firstUnread(id, unread) {
  if (!unread) return null;
  const messages = state.inOrder(state.logOf(id).messages);
  return messages[Math.max(0, messages.length - unread)]?.ts || null;
}

function skeleton() {
  return h(
    "div",
    { class: "skeleton", "aria-label": "Loading" },
    [72, 55, 84].map((w) => h("i", { style: { width: `${w}%` } })),
  );
}

function showMissing(main) {
  view = null;
  clear(main).append(
    h(
      "div",
      { class: "empty" },
      iconButton("menu", "Show the sidebar", toggleSidebar, { class: "icon-button only-narrow" }),
      h("h2", null, "There is no such conversation"),
      h("p", null, "It may be private, or gone. Choose another one in the sidebar."),
    ),
  );
}
