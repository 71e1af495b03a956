// Where the person is, kept in the address: #/home, #/C123, #/C123/1732.0001 (a thread beside its channel).

import { emit, store } from "./state.js";

function parseRoute(hash) {
  const parts = hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  if (parts[0] === "home") return { kind: "home" };
  if (!parts[0]) return { kind: "none" };
  return { kind: "channel", channel: parts[0], thread: parts[1] || null };
}

function goTo(hash) {
  if (window.location.hash === hash) adoptRoute();
  else window.location.hash = hash;
}

export function goToChannel(channel) {
  goTo(`#/${encodeURIComponent(channel)}`);
}

export function goToThread(channel, ts) {
  goTo(`#/${encodeURIComponent(channel)}/${encodeURIComponent(ts)}`);
}

/** Let the page choose where to begin. */
export function goNowhere() {
  goTo("#/");
}

export function goHome() {
  goTo("#/home");
}

export function adoptRoute() {
  const before = store.route;
  store.route = parseRoute(window.location.hash);
  emit("route", { before });
}
