// How people, apps and channels look: avatars, names, signs before a name.

import { h, icon, ownAddress } from "./dom.js";
import { emojiChar } from "./emoji.js";
import { app, appName, nameOfUser, store, user } from "./state.js";

const FIRST_HUE = 205;
const GOLDEN_ANGLE = 137.5;

/** Who a message is from, with the name and icon it asked for. */
export function authorOf(message) {
  const found = user(message.user);
  const isApp = Boolean(message.bot_id || found?.is_bot || message.subtype === "bot_message");
  const ownName = message.user ? nameOfUser(message.user) : appName();
  return {
    id: message.user,
    isApp,
    name: message.username || ownName,
    key: [message.user, message.username, message.icon_emoji, message.icon_url].join("|"),
    iconEmoji: message.icon_emoji,
    iconUrl: message.icon_url,
    isGuest: Boolean(found?.is_restricted),
  };
}

export function avatar(author, size = "") {
  const node = h("span", { class: `avatar ${size}`, "aria-hidden": "true" });
  const char = author.iconEmoji && emojiChar(String(author.iconEmoji).replaceAll(":", ""));
  const src = ownAddress(author.iconUrl);
  if (char) node.append(h("span", { class: "avatar-emoji" }, char));
  else if (src) node.append(h("img", { src, alt: "" }));
  else if (author.isApp && author.id === app()?.bot_user_id) node.append(appMark());
  else node.append(initials(author.name));
  node.classList.toggle("avatar-app", author.isApp);
  if (!char && !src) node.style.setProperty("--hue", String(hueOf(author)));
  return node;
}

export function avatarOfUser(id, size) {
  const found = user(id);
  const name = nameOfUser(id);
  return avatar({ id, name, isApp: Boolean(found?.is_bot) }, size);
}

/** A person's presence; the app is here while a bot is connected. */
export function presence(person) {
  const isApp = person?.id === app()?.bot_user_id;
  const here = isApp ? store.connectedBots > 0 : person?.presence === "active";
  return h("span", {
    class: here ? "presence here" : "presence",
    role: "img",
    "aria-label": here ? "active" : "away",
  });
}

export function channelSign(channel) {
  if (channel.is_archived) return icon("archive");
  return icon(channel.kind === "private" ? "lock" : "hash");
}

function appMark() {
  return h("img", { src: "/page/mark.svg", alt: "" });
}

function initials(name) {
  const words = String(name)
    .trim()
    .split(/[\s._-]+/)
    .filter(Boolean);
  const letters = words.length > 1 ? words[0][0] + words[1][0] : String(name).slice(0, 2);
  return letters.toUpperCase();
}

// Neighbours in the list of people get hues far apart (the golden angle); others one by their name.
function hueOf(author) {
  const place = store.workspace.users.findIndex((u) => u.id === author.id);
  const letters = Array.from(String(author.name)).reduce((sum, c) => sum + c.codePointAt(0), 0);
  return Math.round(FIRST_HUE + GOLDEN_ANGLE * (place < 0 ? letters : place)) % 360;
}
