// A scrolling list of messages: days, grouping by author, the toolbar, keys, staying at the end, loading older ones.

import { tryAct } from "./api.js";
import { copy } from "./code.js";
import { createComposer } from "./composer.js";
import { h, iconButton, reconcile } from "./dom.js";
import { pickEmoji } from "./emoji.js";
import { asTyped } from "./mrkdwn.js";
import { isSystem, messageNode, patchMessage, replyWords, toggleReaction } from "./message_view.js";
import { authorOf } from "./people.js";
import { confirmed, dialog, menu } from "./popover.js";
import { me } from "./state.js";
import { dayKey, dayName } from "./time.js";

const GROUP_S = 5 * 60;
const END_PX = 90;
const OLDER_PX = 400;

/** `place` is {channel, threadTs?, openThread?}; `onOlder` is called when the top comes near. */
export function createMessageList({ place, label, onOlder, intro }) {
  const rows = h("div", { class: "rows" });
  const jump = h(
    "button",
    { type: "button", class: "jump", hidden: true, onclick: () => list.toEnd(true) },
    "New messages ↓",
  );
  const head = h("div", { class: "list-head" }, intro || null);
  const scroller = h(
    "div",
    { class: "scroller", role: "log", "aria-label": label, "aria-live": "off", tabindex: 0 },
    head,
    rows,
  );
  const node = h("div", { class: "list" }, scroller, jump);
  const list = {
    node,
    rows,
    scroller,
    jump,
    place,
    atEnd: true,
    topSeen: 0,
    loadingOlder: false,
    head,
  };
  Object.assign(list, {
    show: (messages, options) => show(list, messages, options),
    toEnd: (smooth) => toEnd(list, smooth),
    editLast: () => editLast(list),
    focusLast: () => focusRow(rows.querySelector(".msg:last-of-type")),
  });
  scroller.addEventListener("scroll", () => onScroll(list, onOlder), { passive: true });
  new ResizeObserver(() => list.atEnd && toEnd(list)).observe(rows);
  new ResizeObserver(() => list.atEnd && toEnd(list)).observe(scroller);
  attachToolbar(list);
  scroller.addEventListener("keydown", (event) => onKey(list, event));
  return list;
}

function show(list, messages, { unreadFrom } = {}) {
  const items = arranged(messages, { unreadFrom, rootTs: list.place.threadTs });
  const heightBefore = list.scroller.scrollHeight;
  const topBefore = list.scroller.scrollTop;
  const firstBefore = list.first;
  const lastBefore = list.last;
  list.first = messages[0]?.ts;
  list.last = messages[messages.length - 1]?.ts;
  reconcile(list.rows, items, {
    key: (item) => item.key,
    render: (item) => renderRow(item, list.place),
    patch: (node, item) =>
      item.message
        ? patchMessage(node, item)
        : (node.querySelector("span").textContent = item.label),
  });
  const prepended = firstBefore && list.first < firstBefore;
  if (prepended && !list.atEnd)
    list.scroller.scrollTop = topBefore + list.scroller.scrollHeight - heightBefore;
  if (list.last > lastBefore && !list.atEnd) list.jump.hidden = false;
  if (list.atEnd) toEnd(list);
}

function arranged(messages, { unreadFrom, rootTs }) {
  const items = [];
  let previous = null;
  for (const message of messages) {
    const day = dayKey(message.ts);
    const newDay = !previous || dayKey(previous.ts) !== day;
    const unread = unreadFrom && message.ts === unreadFrom;
    const isRoot = message.ts === rootTs;
    if (newDay && !isRoot)
      items.push({ key: `day:${day}`, label: dayName(message.ts), kind: "day" });
    if (unread) items.push({ key: "unread", label: "New", kind: "unread" });
    const compact = !newDay && !unread && previous.ts !== rootTs && sameGroup(previous, message);
    items.push({ key: message.ts, message, compact });
    if (isRoot && messages.length > 1)
      items.push({ key: "replies", label: replyWords(messages.length - 1), kind: "replies" });
    previous = message;
  }
  return items;
}

function sameGroup(a, b) {
  if (isSystem(a) || isSystem(b) || a.ephemeral || b.ephemeral) return false;
  return authorOf(a).key === authorOf(b).key && Number(b.ts) - Number(a.ts) < GROUP_S;
}

function renderRow(item, place) {
  if (!item.message)
    return h(
      "div",
      { class: `divider divider-${item.kind}`, role: "separator" },
      h("span", null, item.label),
    );
  const node = messageNode(item.message, place);
  patchMessage(node, item);
  return node;
}

function toEnd(list, smooth) {
  list.atEnd = true;
  list.jump.hidden = true;
  list.scroller.scrollTo({
    top: list.scroller.scrollHeight,
    behavior: smooth ? "smooth" : "instant",
  });
  list.topSeen = list.scroller.scrollTop;
}

async function onScroll(list, onOlder) {
  const { scrollTop, scrollHeight, clientHeight } = list.scroller;
  const near = scrollHeight - scrollTop - clientHeight < END_PX;
  // Rows that grow (pictures, rows drawn late) also move the end away: only a move upwards leaves it.
  list.atEnd = near || (list.atEnd && scrollTop >= list.topSeen);
  list.topSeen = scrollTop;
  if (list.atEnd) list.jump.hidden = true;
  if (scrollTop > OLDER_PX || list.loadingOlder || !onOlder) return;
  list.loadingOlder = true;
  try {
    await onOlder();
  } finally {
    list.loadingOlder = false;
  }
}

// One toolbar serves all messages: it moves to the one under the pointer or with the focus.
function attachToolbar(list) {
  let current = null;
  const button = (name, label, run, data) =>
    iconButton(name, label, (event) => run(current, event.currentTarget), { data });
  const bar = h(
    "div",
    { class: "toolbar", role: "toolbar", "aria-label": "Message actions" },
    button(
      "smile",
      "Add a reaction",
      (node, at) =>
        pickEmoji(at, (name) => toggleReaction(list.place.channel, node._message, name)),
      { tool: "react" },
    ),
    button(
      "reply",
      "Reply in thread",
      (node) => list.place.openThread?.(node._message.thread_ts || node._message.ts),
      { tool: "reply" },
    ),
    button("edit", "Edit message", (node) => startEdit(list, node), { tool: "edit" }),
    button("more", "More actions", (node, at) => moreMenu(list, node, at), { tool: "more" }),
  );
  const tool = (name) => bar.querySelector(`[data-tool=${name}]`);
  const move = (event) => {
    const node = event.target.closest?.(".msg");
    if (!node || node === current || !node._message || node.classList.contains("msg-editing"))
      return;
    current = node;
    tool("edit").hidden = !isMine(node._message);
    tool("reply").hidden = !list.place.openThread || Boolean(node._message.ephemeral);
    tool("react").hidden = Boolean(node._message.ephemeral);
    node.append(bar);
  };
  list.rows.addEventListener("pointerover", move);
  list.rows.addEventListener("focusin", move);
}

function isMine(message) {
  return message.user === me() && !message.bot_id && !message.ephemeral && !isSystem(message);
}

function moreMenu(list, node, anchor) {
  const { channel } = list.place;
  const message = node._message;
  const address = `${window.location.origin}/#/${channel}/${message.thread_ts || message.ts}`;
  menu(anchor, [
    { label: "Copy text", icon: "copy", run: () => copy(asTyped(message.text)) },
    { label: "Copy link", icon: "link", run: () => copy(address) },
    { label: "Show as JSON", icon: "bolt", run: () => showJson(message) },
    isMine(message) && {
      label: "Delete message",
      icon: "trash",
      danger: true,
      run: () => remove(channel, message),
    },
  ]);
}

function showJson(message) {
  const text = JSON.stringify(message, null, 2);
  dialog({
    title: "Message as JSON",
    body: h("pre", { class: "json", tabindex: 0 }, text),
    className: "dialog-wide",
  });
}

async function remove(channel, message) {
  const sure = await confirmed({
    title: { text: "Delete this message?" },
    text: { text: "It will be gone for everyone." },
    confirm: { text: "Delete" },
    style: "danger",
  });
  if (sure) await tryAct("delete", { channel, ts: message.ts });
}

function startEdit(list, node) {
  const { channel } = list.place;
  const message = node._message;
  const bodyNode = node.querySelector(".msg-body");
  const finish = () => {
    editor.node.remove();
    bodyNode.hidden = false;
    node.classList.remove("msg-editing");
    node.focus();
  };
  const editor = createComposer({
    channel,
    label: "Edit message",
    initial: asTyped(message.text || ""),
    onCancel: finish,
    onSubmit: async (text) => {
      if (await tryAct("edit", { channel, ts: message.ts, text })) finish();
    },
  });
  node.classList.add("msg-editing");
  bodyNode.hidden = true;
  bodyNode.after(editor.node);
  editor.focus();
}

function editLast(list) {
  const mine = Array.from(list.rows.querySelectorAll(".msg")).filter((n) => isMine(n._message));
  const last = mine[mine.length - 1];
  if (last) startEdit(list, last);
  return Boolean(last);
}

function onKey(list, event) {
  const here = event.target.closest(".msg");
  const onRow = event.target === here || event.target === list.scroller;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && onRow) {
    const all = Array.from(list.rows.querySelectorAll(".msg"));
    const at = here ? all.indexOf(here) + step : all.length - 1;
    event.preventDefault();
    focusRow(all[Math.max(0, Math.min(all.length - 1, at))]);
  } else if (event.key === "Enter" && event.target === here) {
    list.place.openThread?.(here._message.thread_ts || here._message.ts);
  }
}

function focusRow(node) {
  if (!node) return;
  node.focus({ preventScroll: true });
  node.scrollIntoView({ block: "nearest" });
}
