// The live line: one WebSocket that turns frames into changes of the store, and comes back by itself.
// Whenever it opens the whole state is read again, because frames sent before are lost.

import { liveAddress } from "./api.js";
import * as state from "./state.js";

const FIRST_RETRY_MS = 400;
const LONGEST_RETRY_MS = 5000;

const FRAMES = {
  message: (f) => receiveMessage(f),
  message_changed: (f) => state.changeMessage(f.channel, f.message),
  message_deleted: (f) => state.removeMessage(f.channel, f.ts),
  reaction: (f) => state.changeReactions(f.channel, f.ts, f.reactions),
  ephemeral: (f) => state.addMessage(f.channel, { ...f.message, ephemeral: true }),
  session: (f) => state.setSession(f),
  channel: (f) => adoptChannel(f.channel),
  view_open: (f) => openView(f),
  view_update: (f) => updateView(f.view),
  view_close: (f) => closeView(f.view_id),
  view_errors: (f) => state.emit("view_errors", f),
  home: (f) => adoptHome(f.view),
  suggested_prompts: (f) => adoptPrompts(f),
  traffic: (f) => state.emit("traffic", f.entry),
  connected: (f) => adoptConnected(f.n),
  faults: (f) => state.emit("faults", f.faults),
};

// What a read may be older than: these say what is, so that they can be applied twice.
const REPLAYED = {
  ...FRAMES,
  message: (f) => state.addMessage(f.channel, f.message),
  view_open: null,
  view_update: null,
  view_close: null,
  view_errors: null,
  traffic: null,
  faults: null,
};

let socket = null;
let retryMs = FIRST_RETRY_MS;
let retryTimer = 0;
let refresh = async () => {};
const reads = new Set(); // the frames that came during each read that is under way

/** Open the line; `onOpen` reads everything that is on the screen. */
export function startLive(onOpen) {
  refresh = onOpen;
  open();
  window.addEventListener("online", reconnectNow);
}

/** Open it anew, for another person. */
export function restartLive() {
  window.clearTimeout(retryTimer);
  const old = socket;
  socket = null;
  if (old) old.close();
  open();
}

export function reconnectNow() {
  if (socket && socket.readyState <= WebSocket.OPEN) return;
  window.clearTimeout(retryTimer);
  reopen();
}

function open() {
  const mine = new WebSocket(liveAddress());
  socket = mine;
  mine.onopen = () => opened(mine);
  mine.onmessage = (event) => {
    if (socket === mine) receive(event.data);
  };
  mine.onclose = () => {
    if (socket === mine) lost();
  };
}

async function opened(mine) {
  try {
    await refresh();
  } catch {
    mine.close();
    return;
  }
  if (socket !== mine) return;
  retryMs = FIRST_RETRY_MS;
  setConnection("open");
}

function lost() {
  setConnection("lost");
  retryTimer = window.setTimeout(reopen, retryMs);
  retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 1.7);
}

// A refused handshake does not say why, so the server is asked over HTTP first.
async function reopen() {
  try {
    await refresh();
  } catch {
    lost();
    return;
  }
  open();
}

/** Read and adopt the reply, then apply anew what came meanwhile: the reply may be the older of the two. */
export async function readBeside(read, adopt) {
  const frames = [];
  reads.add(frames);
  try {
    adopt(await read());
  } finally {
    reads.delete(frames);
  }
  for (const frame of frames) REPLAYED[frame.type]?.(frame);
}

function setConnection(value) {
  state.store.connection = value;
  state.emit("connection", value);
}

function receive(text) {
  const frame = JSON.parse(text);
  for (const frames of reads) frames.push(frame);
  FRAMES[frame.type]?.(frame);
  state.emit("frame", frame);
}

function receiveMessage({ channel, message }) {
  state.addMessage(channel, message);
  if (state.countUnread(channel, message)) refresh();
}

function adoptChannel(channel) {
  const channels = state.store.workspace.channels;
  const index = channels.findIndex((c) => c.id === channel.id);
  if (index < 0) channels.push(channel);
  else channels[index] = { ...channels[index], ...channel };
  state.emit("workspace");
}

function openView({ view, trigger_user: person }) {
  if (person && person !== state.me()) return;
  state.store.views = [...state.store.views.filter((v) => v.id !== view.id), view].slice(-3);
  state.emit("views");
}

function updateView(view) {
  const known = state.store.views.some((v) => v.id === view.id);
  if (!known) return;
  state.store.views = state.store.views.map((v) => (v.id === view.id ? view : v));
  state.emit("views");
}

function closeView(id) {
  state.store.views = state.store.views.filter((v) => v.id !== id);
  state.emit("views");
}

function adoptHome(view) {
  state.store.home = view;
  state.emit("home");
}

function adoptPrompts({ type: _type, channel, ...prompts }) {
  state.store.prompts = { ...state.store.prompts, [channel]: prompts };
  state.emit("prompts", channel);
}

function adoptConnected(n) {
  state.store.connectedBots = n;
  state.emit("connected", n);
}
