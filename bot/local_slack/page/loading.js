// Reads conversations from the server into the store: the last page, older pages, threads, and everything anew after a gap.

import { act, read, rememberPerson, tell } from "./api.js";
import { readBeside } from "./live.js";
import * as state from "./state.js";

const PAGE_SIZE = 50;
const KEPT_AT_END = 300;

// The newest message that was reported as read, by channel.
const lastRead = new Map();

/** What was read belongs to the person who acted before. */
export function forgetRead() {
  lastRead.clear();
}

export async function loadWorkspace() {
  await readBeside(() => read("state"), state.adoptState);
}

/** The newest page of a channel; with `anew`, what was held before is dropped (it may have gaps). */
export async function loadChannel(channel, { anew = false } = {}) {
  const log = state.logOf(channel);
  if (log.loaded && !anew) return;
  // As much as was held before, so that the person stays where they were reading.
  const limit = Math.min(KEPT_AT_END, Math.max(PAGE_SIZE, log.messages.size));
  await readBeside(
    () => read("messages", { channel, limit }),
    ({ messages, has_more: hasMore }) => {
      log.messages = withEphemeral(log.messages, messages);
      log.hasMore = hasMore;
      log.loaded = true;
    },
  );
  state.emit("log", channel);
}

export async function loadOlder(channel) {
  const log = state.logOf(channel);
  if (!log.loaded || !log.hasMore) return;
  const first = state.inOrder(log.messages)[0];
  await readBeside(
    () => read("messages", { channel, limit: PAGE_SIZE, before_ts: first?.ts }),
    ({ messages, has_more: hasMore }) => {
      for (const message of messages) log.messages.set(message.ts, message);
      log.hasMore = hasMore;
    },
  );
  state.emit("log", channel);
}

export async function loadThread(channel, ts) {
  await readBeside(
    () => read("thread", { channel, ts }),
    ({ messages, session }) => {
      const thread = state.threadOf(channel, ts);
      thread.messages = withEphemeral(thread.messages, messages);
      thread.loaded = true;
      if (session) state.setSession({ channel, thread_ts: ts, ...session });
    },
  );
  state.emit("thread", { channel, ts });
}

/** What was read, and what was shown to this person alone, which no read gives again. */
function withEphemeral(held, messages) {
  const kept = Array.from(held.values()).filter((m) => m.ephemeral);
  return new Map([...kept, ...messages].map((m) => [m.ts, m]));
}

/** After a gap: the workspace, and what is on the screen; the rest is read when it is opened. */
export async function reloadAll() {
  const before = state.store.workspace.workspace.id;
  try {
    await loadWorkspace();
  } catch (error) {
    if (error.code === "user_not_found") startOver();
    throw error;
  }
  if (state.store.workspace.workspace.id !== before) return startOver();
  const { route } = state.store;
  for (const log of state.store.logs.values()) log.loaded = false;
  if (route.kind === "channel" && state.channel(route.channel))
    await loadChannel(route.channel, { anew: true });
  return route.thread ? loadThread(route.channel, route.thread).catch(tell) : null;
}

/** Begin anew as nobody: another workspace lives at this address now, and nothing held here is true. */
export function startOver() {
  rememberPerson("");
  window.location.replace(window.location.pathname);
}

/** Tell the server that the person has seen the channel, and forget the badge at once. */
export async function markRead(id) {
  const channel = state.channel(id);
  const last = state.inOrder(state.logOf(id).messages).pop()?.ts;
  if (!channel || document.hidden || !channel.is_member || lastRead.get(id) === last) return;
  lastRead.set(id, last);
  const counted = channel.unread || channel.mentions;
  channel.unread = 0;
  channel.mentions = 0;
  if (counted) state.emit("workspace");
  await act("read", { channel: id }).catch(() => lastRead.delete(id));
}

export function trimAtEnd(channel) {
  if (state.logOf(channel).messages.size > 2 * KEPT_AT_END) state.trimLog(channel, KEPT_AT_END);
}
