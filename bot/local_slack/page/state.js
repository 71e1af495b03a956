// What the page knows of the workspace: one store, changed by replies and live frames, watched by topic.
// It must not build DOM.

const listeners = new Map();

export const store = {
  workspace: null, // the last /_page/state
  logs: new Map(), // channel → {messages: Map(ts → message), hasMore, loaded}
  threads: new Map(), // "channel:ts" → {messages: Map, loaded}
  sessions: new Map(), // "channel:ts" → {status, title, status_text}
  prompts: {},
  home: null,
  views: [], // open modals, the top one last
  route: { kind: "none" },
  connection: "connecting",
  connectedBots: 0,
};

export function on(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(listener);
  return () => listeners.get(topic).delete(listener);
}

export function emit(topic, detail) {
  for (const listener of listeners.get(topic) || []) listener(detail);
}

export function threadKey(channel, ts) {
  return `${channel}:${ts}`;
}

export function me() {
  return store.workspace?.me;
}

export function user(id) {
  return store.workspace?.users.find((u) => u.id === id) || null;
}

export function channel(id) {
  return store.workspace?.channels.find((c) => c.id === id) || null;
}

export function nameOfUser(id) {
  const found = user(id);
  return found ? found.display_name || found.name : id;
}

export function nameOfChannel(id) {
  const found = channel(id);
  if (!found) return id;
  return found.kind === "im" ? nameOfUser(found.user) : found.name;
}

/** What the app is called in the workspace; its mention is @ and this. */
export function appName() {
  const it = app();
  return it ? nameOfUser(it.bot_user_id) : "the app";
}

export function app() {
  return store.workspace?.app || null;
}

export function adoptState(state) {
  store.workspace = state;
  store.prompts = state.suggested_prompts || {};
  store.home = state.home;
  store.connectedBots = state.connected;
  emit("workspace");
  emit("home");
}

/** Forget everything that belonged to the person who was acting before. */
export function forgetPerson() {
  store.logs.clear();
  store.threads.clear();
  store.sessions.clear();
  store.views = [];
  emit("views");
}

export function logOf(id) {
  if (!store.logs.has(id))
    store.logs.set(id, { messages: new Map(), hasMore: true, loaded: false });
  return store.logs.get(id);
}

export function threadOf(id, ts) {
  const key = threadKey(id, ts);
  if (!store.threads.has(key)) store.threads.set(key, { messages: new Map(), loaded: false });
  return store.threads.get(key);
}

export function inOrder(messages) {
  return Array.from(messages.values()).sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));
}

function isReply(message) {
  return Boolean(message.thread_ts && message.thread_ts !== message.ts);
}

export function addMessage(id, message) {
  if (isReply(message)) {
    threadOf(id, message.thread_ts).messages.set(message.ts, message);
    countReply(id, message);
    emit("thread", { channel: id, ts: message.thread_ts });
  }
  if (!isReply(message) || message.subtype === "thread_broadcast") {
    logOf(id).messages.set(message.ts, message);
    if (store.threads.has(threadKey(id, message.ts))) {
      threadOf(id, message.ts).messages.set(message.ts, message);
      emit("thread", { channel: id, ts: message.ts });
    }
    emit("log", id);
  }
}

/** Count a message that arrived where the person is not looking; true if its channel is not known yet. */
export function countUnread(id, message) {
  const place = channel(id);
  if (!place) return true;
  const seen = store.route.channel === id && !document.hidden;
  if (seen || message.user === me() || isReply(message) || !place.is_member) return false;
  place.unread = (place.unread || 0) + 1;
  if (message.text?.includes(`<@${me()}>`)) place.mentions = (place.mentions || 0) + 1;
  emit("workspace");
  return false;
}

export function changeMessage(id, message) {
  placesOf(id, message.ts, message.thread_ts, (messages) => messages.set(message.ts, message));
}

export function changeReactions(id, ts, reactions) {
  placesOf(id, ts, null, (messages) => {
    const old = messages.get(ts);
    messages.set(ts, { ...old, reactions });
  });
}

export function removeMessage(id, ts) {
  placesOf(id, ts, null, (messages) => messages.delete(ts));
}

export function setSession({ channel: id, thread_ts: ts, status, title, status_text: text }) {
  store.sessions.set(threadKey(id, ts), { status, title, status_text: text });
  emit("session", { channel: id, ts });
}

/** Drop old messages far above the fold, so that a long day does not grow the page without end. */
export function trimLog(id, keep) {
  const log = logOf(id);
  const ordered = inOrder(log.messages);
  for (const message of ordered.slice(0, Math.max(0, ordered.length - keep))) {
    log.messages.delete(message.ts);
    log.hasMore = true;
  }
}

/** Apply `change` to every list in which the message is held. */
function placesOf(id, ts, rootTs, change) {
  const log = logOf(id);
  if (log.messages.has(ts)) {
    change(log.messages);
    emit("log", id);
  }
  for (const [key, thread] of store.threads) {
    if (!key.startsWith(`${id}:`) || !(thread.messages.has(ts) || key === threadKey(id, rootTs)))
      continue;
    change(thread.messages);
    emit("thread", { channel: id, ts: key.slice(id.length + 1) });
  }
}

/** Count a live reply on its root once, whether or not the server also sends the changed root. */
function countReply(id, reply) {
  const root = logOf(id).messages.get(reply.thread_ts);
  if (!root || reply.ephemeral || (root.latest_reply && root.latest_reply >= reply.ts)) return;
  const users = Array.from(new Set([...(root.reply_users || []), reply.user].filter(Boolean)));
  const counted = { ...root, reply_count: (root.reply_count || 0) + 1, reply_users: users };
  logOf(id).messages.set(root.ts, { ...counted, latest_reply: reply.ts });
  emit("log", id);
}
