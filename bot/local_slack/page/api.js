// The page's way to the server: reads and actions under /_page/. Failures become errors with a sentence.

import { emit, me } from "./state.js";

const PERSON_KEY = "treadle.person";

// What the server's short error names mean to a person; others are shown as they are.
const SENTENCES = {
  not_in_channel: "You are not a member of this channel.",
  is_archived: "This channel is archived.",
  channel_not_found: "There is no such channel.",
  name_taken: "There is already a channel of that name.",
  invalid_name: "Channel names are lower case letters, digits, - and _.",
  already_reacted: "You already gave this reaction.",
  no_text: "There is nothing to send.",
  msg_too_long: "The message is too long.",
  cant_update_message: "Only your own messages can be edited.",
  cant_delete_message: "Only your own messages can be deleted.",
  not_connected: "No bot is connected, so nothing happened.",
  operation_timeout: "The bot did not answer in time.",
  dispatch_failed: "The bot did not answer in time.",
  server_gone: "The workspace server cannot be reached.",
};

export class ActionError extends Error {
  constructor(code) {
    super(SENTENCES[code] || `That did not work (${String(code).replaceAll("_", " ")}).`);
    this.code = code;
  }
}

export function rememberPerson(id) {
  window.sessionStorage.setItem(PERSON_KEY, id);
}

export function rememberedPerson() {
  const asked = new URLSearchParams(window.location.search).get("user");
  return window.sessionStorage.getItem(PERSON_KEY) || asked || "";
}

export async function read(path, params = {}) {
  return call(address(path, params), { headers: { accept: "application/json" } });
}

/** Carry out an action as the acting person; throws ActionError when the server says no. */
export async function act(action, body = {}) {
  return call(address(action), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** The same, with failures told in a toast; resolves to null then. */
export async function tryAct(action, body) {
  try {
    return await act(action, body);
  } catch (error) {
    tell(error);
    return null;
  }
}

export async function upload(file, channel, threadTs) {
  const form = new FormData();
  form.append("channel", channel);
  if (threadTs) form.append("thread_ts", threadTs);
  form.append("file", file, file.name);
  const reply = await call(address("upload"), { method: "POST", body: form });
  return reply.file;
}

export function tell(error) {
  emit("toast", { text: error.message || "Something went wrong.", level: "error" });
}

export function liveAddress() {
  const scheme = window.location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${window.location.host}${address("live")}`;
}

function address(path, params = {}) {
  const query = new URLSearchParams();
  const person = me() || rememberedPerson();
  if (person) query.set("user", person);
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null) query.set(name, value);
  }
  return `/_page/${path}?${query}`;
}

async function call(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new ActionError("server_gone");
  }
  const reply = await response.json().catch(() => null);
  if (!response.ok || reply === null)
    throw new ActionError(reply?.error || `status ${response.status}`);
  if (reply.ok === false) throw new ActionError(reply.error || "unknown_error");
  return reply;
}
