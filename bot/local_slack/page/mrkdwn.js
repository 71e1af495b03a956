// Slack's mrkdwn: *bold*, _italic_, ~strike~, `code`, ```blocks```, > quotes, <links> and mentions.
// All of it is untrusted text: it becomes text nodes, and links only where safeHref allows.

import { codeBlock } from "./code.js";
import { h, link } from "./dom.js";
import { emojiNode } from "./emoji.js";
import { me, nameOfChannel, nameOfUser } from "./state.js";
import { dateFormat } from "./time.js";

const INLINE =
  /(`[^`\n]+`)|<([^<>\n]+)>|:([a-z0-9_+-]+(?:::skin-tone-[2-6])?):|(https?:\/\/[^\s<>|]+[^\s<>|.,;:!?)\]}'"])/;
const STYLES = [
  ["*", "strong"],
  ["_", "em"],
  ["~", "s"],
];

/** A fragment showing mrkdwn text. */
export function mrkdwn(text) {
  const out = document.createDocumentFragment();
  const parts = String(text ?? "").split(/```([\s\S]*?)```/);
  parts.forEach((part, index) => {
    if (index % 2) out.append(codeBlock(unescape(part).replace(/^\n|\n$/g, ""), ""));
    else out.append(...lines(trimAround(part, index, parts.length)));
  });
  return out;
}

/** Plain text as Slack sends it (entities decoded, `:emoji:` drawn, nothing else interpreted). */
export function plain(text, { emoji = true } = {}) {
  const out = document.createDocumentFragment();
  const parts = unescape(text).split(/:([a-z0-9_+-]+(?:::skin-tone-[2-6])?):/);
  parts.forEach((part, index) => {
    if (index % 2) out.append(emoji ? emojiNode(part) : `:${part}:`);
    else if (part) out.append(part);
  });
  return out;
}

/** A text object of Block Kit. */
export function textObject(object) {
  if (!object) return document.createDocumentFragment();
  return object.type === "mrkdwn"
    ? mrkdwn(object.text)
    : plain(object.text, { emoji: object.emoji !== false });
}

function unescape(text) {
  return String(text ?? "")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}

/** Slack's text as a person would have typed it: names instead of references. */
export function asTyped(text) {
  const shown = String(text ?? "").replace(/<([^<>\s][^<>]*)>/g, (_all, inner) => {
    const [target, label] = inner.split("|");
    if (target.startsWith("@")) return `@${label || nameOfUser(target.slice(1))}`;
    if (target.startsWith("#")) return `#${label || nameOfChannel(target.slice(1))}`;
    if (target.startsWith("!")) return `@${target.slice(1).split("^")[0]}`;
    return target.replace(/^mailto:/, "");
  });
  return unescape(shown);
}

export function mention(id, label) {
  const own = id === me();
  return h(
    "span",
    { class: own ? "mention mention-me" : "mention", data: { user: id } },
    `@${label || nameOfUser(id)}`,
  );
}

export function channelLink(id, label) {
  return h(
    "a",
    { class: "mention", href: `#/${encodeURIComponent(id)}` },
    `#${label || nameOfChannel(id)}`,
  );
}

export function broadcast(range) {
  return h("span", { class: "mention mention-me" }, `@${range}`);
}

function lines(text) {
  const out = [];
  let quote = [];
  const flush = () => {
    if (quote.length) out.push(h("blockquote", null, joined(quote)));
    quote = [];
  };
  const rest = [];
  const flushRest = () => {
    if (rest.length) out.push(...joined(rest.splice(0)));
  };
  for (const line of text.split("\n")) {
    const quoted = /^(?:&gt;|>) ?(.*)$/.exec(line);
    if (quoted) {
      flushRest();
      quote.push(quoted[1]);
    } else {
      flush();
      rest.push(line);
    }
  }
  flush();
  flushRest();
  return out;
}

function joined(rows) {
  return rows.flatMap((row, index) => (index ? [h("br"), ...inline(row)] : inline(row)));
}

function inline(text) {
  const match = INLINE.exec(text);
  if (!match) return styled(text);
  const special = specialNode(match);
  const before = text.slice(0, match.index);
  const after = text.slice(match.index + match[0].length);
  const wrapper = styleAround(before, after);
  if (wrapper) return wrapper(special);
  return [...styled(before), special, ...inline(after)];
}

// `*see <url|this>*`: the marks stand on both sides of a special, so look across it.
function styleAround(before, after) {
  for (const [mark, tag] of STYLES) {
    const start = openMark(before, mark);
    if (start < 0) continue;
    const end = closeMark(after, mark);
    if (end < 0) continue;
    return (special) => [
      ...styled(before.slice(0, start)),
      h(tag, null, styled(before.slice(start + 1)), special, inline(after.slice(0, end))),
      ...inline(after.slice(end + 1)),
    ];
  }
  return null;
}

function openMark(text, mark) {
  for (let i = text.length - 1; i >= 0; i -= 1) {
    if (text[i] !== mark) continue;
    const closed = text.slice(0, i).split(mark).length % 2 === 0;
    const clean = (i === 0 || /[\s([{*_~"'—-]/.test(text[i - 1])) && !/\s/.test(text[i + 1] || "x");
    return clean && !closed ? i : -1;
  }
  return -1;
}

function closeMark(text, mark) {
  const end = text.indexOf(mark);
  if (end < 0 || /\s/.test(text[end - 1] || "x")) return -1;
  return /\w/.test(text[end + 1] || " ") ? -1 : end;
}

function styled(text) {
  if (!text) return [];
  const match = /(^|[\s([{*_~"'—-])([*_~])(?=\S)([^\n]*?\S)\2(?![\w])/.exec(text);
  if (!match) return [unescape(text)];
  const tag = STYLES.find(([mark]) => mark === match[2])[1];
  const start = match.index + match[1].length;
  return [
    ...styled(text.slice(0, start)),
    h(tag, null, styled(match[3])),
    ...styled(text.slice(match.index + match[0].length)),
  ];
}

function specialNode([, code, angled, emoji, address]) {
  if (code) return h("code", null, unescape(code.slice(1, -1)));
  if (emoji) return emojiNode(emoji);
  if (address) return link(unescape(address));
  return angledNode(angled);
}

function angledNode(inner) {
  const [target, ...labelParts] = inner.split("|");
  const label = labelParts.join("|");
  if (target.startsWith("@")) return mention(target.slice(1), unescape(label));
  if (target.startsWith("#")) return channelLink(target.slice(1), unescape(label));
  if (target.startsWith("!date^")) return dateNode(target, label);
  if (target.startsWith("!subteam^"))
    return broadcast(unescape(label || "group").replace(/^@/, ""));
  if (target.startsWith("!")) return broadcast(target.slice(1));
  return link(unescape(target), unescape(label || target.replace(/^mailto:/, "")));
}

function dateNode(target, fallback) {
  const [, unix, pattern, address] = target.split("^");
  const text = dateFormat(unix, pattern) || unescape(fallback);
  return address ? link(unescape(address), text) : h("time", { title: unescape(fallback) }, text);
}

function trimAround(part, index, count) {
  let text = part;
  if (index > 0) text = text.replace(/^\n/, "");
  if (index < count - 1) text = text.replace(/\n$/, "");
  return index > 0 || index < count - 1 ? text : part;
}
