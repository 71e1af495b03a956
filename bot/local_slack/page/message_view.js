// One message as an article: author, text or blocks, files, reactions, its thread in one line.
// `patchMessage` updates it in place; `messageContext` is what its blocks need to act.

import { act, tell, tryAct } from "./api.js";
import { blocksAsWords, renderBlocks } from "./blocks.js";
import { append, h, icon, patchChildren } from "./dom.js";
import { readState } from "./elements.js";
import { emojiNode, pickEmoji } from "./emoji.js";
import { fileNodes } from "./files.js";
import { markdown } from "./markdown.js";
import { asTyped, mrkdwn } from "./mrkdwn.js";
import { authorOf, avatar, avatarOfUser } from "./people.js";
import * as state from "./state.js";
import { ago, clock, fullTime } from "./time.js";

const SYSTEM = /^(channel|group)_(join|leave|name|topic|purpose|archive|unarchive)$/;

/** An article for one message; `place` is {channel, threadTs, openThread}. */
export function messageNode(message, place) {
  const node = h(
    "article",
    { class: "msg", tabindex: -1, data: { ts: message.ts } },
    h("div", { class: "msg-gutter" }),
    h(
      "div",
      { class: "msg-main" },
      h("div", { class: "msg-note" }),
      h("header", { class: "msg-head" }),
      h(
        "div",
        { class: "msg-body" },
        h("div", { class: "msg-text" }),
        h("div", { class: "blocks" }),
        h("div", { class: "msg-attachments" }),
      ),
      h("div", { class: "msg-files" }),
      h("div", { class: "msg-reactions" }),
      h("div", { class: "msg-thread" }),
    ),
  );
  node._place = place;
  return node;
}

export function isSystem(message) {
  return SYSTEM.test(message.subtype || "");
}

/** The message's words on one line, for announcements and labels. */
export function messageWords(message) {
  return asTyped(message.text) || blocksAsWords(message.blocks) || (message.files ? "a file" : "");
}

/** Bring the article in line with its message; parts that did not change are left alone. */
export function patchMessage(node, { message, compact, previewThread }) {
  const author = authorOf(message);
  if (node._message === message && node._compact === compact && !previewThread) return;
  const before = node._message || {};
  node._message = message;
  node._compact = compact;
  node.className = classes(message, compact);
  node.setAttribute(
    "aria-label",
    `${author.name}, ${clock(message.ts)}: ${messageWords(message).slice(0, 140)}`,
  );
  const part = (name) => node.querySelector(`.msg-main > .msg-${name}`);
  patchChildren(
    node.firstChild,
    h("div", null, compact ? time(message, "msg-hover-time") : avatar(author)),
  );
  patchChildren(part("head"), append(h("div"), compact ? [] : heading(author, message)));
  note(part("note"), message, node);
  if (
    before.text !== message.text ||
    before.blocks !== message.blocks ||
    before.attachments !== message.attachments
  )
    body(node, message);
  editedMark(part("body"), message);
  if (before.files !== message.files) part("files").replaceChildren(...fileNodes(message.files));
  reactions(part("reactions"), message, node._place);
  threadLine(part("thread"), message, node._place);
}

function messageContext(node) {
  const { channel } = node._place;
  const message = node._message;
  return {
    channel,
    ts: message.ts,
    threadTs: message.thread_ts,
    message,
    dispatch: async (block, element, value) => {
      await tryAct("block_action", {
        channel,
        ts: node._message.ts,
        block_id: block.block_id,
        action_id: element.action_id,
        value,
        state_values: readState(node),
      });
    },
  };
}

/** Give or take back the acting person's reaction. */
export async function toggleReaction(channel, message, name) {
  const mine = (message.reactions || []).some(
    (r) => r.name === name && r.users.includes(state.me()),
  );
  try {
    await act(mine ? "unreact" : "react", { channel, ts: message.ts, name });
  } catch (error) {
    if (!["already_reacted", "no_reaction"].includes(error.code)) tell(error);
  }
}

function classes(message, compact) {
  return [
    "msg",
    compact && "msg-compact",
    message.ephemeral && "msg-ephemeral",
    message.streaming && "msg-streaming",
    isSystem(message) && "msg-system",
  ]
    .filter(Boolean)
    .join(" ");
}

function heading(author, message) {
  return [
    h("span", { class: "msg-author" }, author.name),
    author.isApp ? h("span", { class: "badge-app" }, "APP") : null,
    author.isGuest ? h("span", { class: "badge-app" }, "GUEST") : null,
    time(message, "msg-time"),
  ];
}

function time(message, className) {
  return h(
    "time",
    {
      class: className,
      title: fullTime(message.ts),
      datetime: new Date(Number(message.ts) * 1000).toISOString(),
    },
    clock(message.ts),
  );
}

function note(target, message, node) {
  if (!message.ephemeral) return target.replaceChildren();
  const dismiss = h(
    "button",
    {
      type: "button",
      class: "link-button",
      onclick: () => state.removeMessage(node._place.channel, message.ts),
    },
    "Dismiss",
  );
  return target.replaceChildren(icon("eye"), h("span", null, "Only visible to you"), dismiss);
}

function body(node, message) {
  const text = node.querySelector(".msg-text");
  const holder = node.querySelector(".msg-body > .blocks");
  const hasBlocks = Boolean(message.blocks?.length) && !isTyped(message);
  renderBlocks(holder, hasBlocks ? message.blocks : [], messageContext(node));
  const next = h("div");
  if (!hasBlocks && message.markdown_text) next.append(markdown(message.markdown_text));
  else if (!hasBlocks) next.append(mrkdwn(message.text));
  patchChildren(text, next);
  node
    .querySelector(".msg-attachments")
    .replaceChildren(...(message.attachments || []).map((a) => attachment(a, node)));
}

// A person's own message carries its text once more as one rich_text block; the text knows *bold* and `code`.
function isTyped(message) {
  return (
    !message.bot_id &&
    message.text &&
    message.blocks?.length === 1 &&
    message.blocks[0].type === "rich_text"
  );
}

function attachment(a, node) {
  const inside = h("div", { class: "blocks" });
  if (a.blocks?.length) renderBlocks(inside, a.blocks, messageContext(node));
  const colour = /^#?[0-9a-f]{6}$/i.test(a.color || "") ? `#${a.color.replace("#", "")}` : "";
  const words = [a.pretext, a.title, a.blocks?.length ? null : a.text || a.fallback].filter(
    Boolean,
  );
  return h(
    "div",
    { class: "attachment", style: colour ? { borderColor: colour } : {} },
    words.map((w) => h("div", null, mrkdwn(w))),
    inside,
  );
}

function editedMark(target, message) {
  target.querySelector(":scope > .msg-edited")?.remove();
  if (message.edited)
    target.append(
      h("span", { class: "msg-edited", title: fullTime(message.edited.ts) }, "(edited)"),
    );
}

function reactions(target, message, { channel }) {
  const chips = (message.reactions || []).map((reaction) => chip(message, reaction, channel));
  const more =
    chips.length > 0 &&
    h(
      "button",
      {
        type: "button",
        class: "reaction reaction-add",
        "aria-label": "Add a reaction",
        onclick: (event) =>
          pickEmoji(event.currentTarget, (name) => toggleReaction(channel, message, name)),
      },
      icon("smile"),
    );
  const next = append(h("div"), [chips, more]);
  // Listeners are bound to this version of the message, so equal-looking old chips are replaced as well.
  const focused = document.activeElement?.dataset?.reaction;
  const hadFocus = target.contains(document.activeElement);
  target.replaceChildren(...next.childNodes);
  if (hadFocus) target.querySelector(`[data-reaction="${CSS.escape(focused || "")}"]`)?.focus();
}

function chip(message, { name, count, users }, channel) {
  const mine = users.includes(state.me());
  const who = users.map((id) => state.nameOfUser(id)).join(", ");
  return h(
    "button",
    {
      type: "button",
      class: "reaction",
      "aria-pressed": String(mine),
      "aria-label": `${name.replaceAll("_", " ")}, ${count}, by ${who}`,
      title: `${who} with :${name}:`,
      data: { reaction: name },
      onclick: () => toggleReaction(channel, message, name),
    },
    emojiNode(name),
    h("span", { class: "reaction-count" }, count),
  );
}

export function replyWords(count) {
  return count === 1 ? "1 reply" : `${count} replies`;
}

function threadLine(target, message, place) {
  if (!place.openThread) return target.replaceChildren();
  const session =
    state.store.sessions.get(state.threadKey(place.channel, message.ts)) || message.session;
  const working = session?.status === "processing";
  if (!message.reply_count && !working) return target.replaceChildren();
  const faces = (message.reply_users || [])
    .slice(0, 4)
    .map((id) => avatarOfUser(id, "avatar-tiny"));
  const line = h(
    "button",
    { type: "button", class: "thread-line", onclick: () => place.openThread(message.ts) },
    h("span", { class: "faces" }, faces),
    h(
      "span",
      { class: "thread-count" },
      message.reply_count ? replyWords(message.reply_count) : "Open thread",
    ),
    working
      ? h("span", { class: "thread-working" }, h("i", { class: "pulse-dot" }), "working")
      : h(
          "span",
          { class: "thread-last" },
          message.latest_reply ? `Last reply ${ago(message.latest_reply)}` : "",
        ),
    icon("chevron"),
  );
  return target.replaceChildren(line);
}
