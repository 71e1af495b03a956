// rich_text blocks: sections, lists, quotes and code, with every inline element Slack defines.

import { codeBlock } from "./code.js";
import { h, link } from "./dom.js";
import { emojiNode } from "./emoji.js";
import { broadcast, channelLink, mention } from "./mrkdwn.js";
import { nameOfUser } from "./state.js";
import { dateFormat } from "./time.js";

const ORDERED_STYLES = ["decimal", "lower-alpha", "lower-roman"];

const GROUPS = {
  rich_text_section: (e) => h("div", { class: "rt-section" }, inlines(e.elements)),
  rich_text_quote: (e) => h("blockquote", null, inlines(e.elements)),
  rich_text_preformatted: (e) =>
    codeBlock((e.elements || []).map(textOf).join(""), e.language || ""),
};

const INLINES = {
  text: (e) => lineBreaks(e.text),
  link: (e) => link(e.url, e.text || e.url),
  user: (e) => mention(e.user_id),
  usergroup: (e) => broadcast(e.usergroup_id),
  team: (e) => broadcast(e.team_id),
  channel: (e) => channelLink(e.channel_id),
  broadcast: (e) => broadcast(e.range),
  emoji: (e) => emojiNode(e.skin_tone ? `${e.name}::skin-tone-${e.skin_tone}` : e.name),
  color: (e) => h("span", { class: "rt-color" }, swatch(e.value), e.value),
  date: (e) =>
    h("time", { title: e.fallback }, dateFormat(e.timestamp, e.format) || e.fallback || ""),
};

const WORDS = {
  user: (e) => `@${nameOfUser(e.user_id)}`,
  channel: (e) => channelLink(e.channel_id).textContent,
  emoji: (e) => emojiNode(e.name).textContent,
  broadcast: (e) => `@${e.range}`,
  color: (e) => e.value,
};

export function richText(block) {
  return h("div", { class: "rich-text" }, groups(block?.elements || []));
}

/** The words of a rich_text block without its form, for one-line summaries. */
export function richTextWords(block) {
  const words = (e) =>
    e.elements
      ? e.elements.map(words).join(e.type === "rich_text_list" ? " " : "")
      : (WORDS[e.type]?.(e) ?? textOf(e));
  return (block?.elements || []).map(words).join(" ").trim();
}

function groups(elements) {
  const out = [];
  for (let at = 0; at < elements.length; at += 1) {
    const element = elements[at];
    if (element.type === "rich_text_list") {
      const run = [element];
      while (elements[at + 1]?.type === "rich_text_list") run.push(elements[(at += 1)]);
      out.push(...lists(run));
    } else if (GROUPS[element.type]) out.push(GROUPS[element.type](element));
    else if (INLINES[element.type]) out.push(h("div", null, inlines([element])));
  }
  return out;
}

// Slack sends nesting as neighbours with an `indent`; here it becomes lists inside list items.
function lists(run) {
  const roots = [];
  const stack = [];
  for (const part of run) {
    const indent = part.indent || 0;
    while (stack.length && stack[stack.length - 1].indent > indent) stack.pop();
    const top = stack[stack.length - 1];
    if (top && top.indent === indent && top.style === part.style) {
      top.node.append(...items(part));
      continue;
    }
    if (top && top.indent === indent) stack.pop();
    const node = listNode(part, indent);
    const parent = stack[stack.length - 1];
    const last = parent?.node.lastElementChild;
    if (last) last.append(node);
    else roots.push(node);
    stack.push({ indent, style: part.style, node });
  }
  return roots;
}

function listNode(part, indent) {
  const ordered = part.style === "ordered";
  const start = ordered && part.offset ? part.offset + 1 : null;
  const style = ordered ? { listStyleType: ORDERED_STYLES[indent % 3] } : {};
  return h(
    ordered ? "ol" : "ul",
    { start, style, class: part.border ? "rt-bordered" : null },
    items(part),
  );
}

function items(part) {
  return (part.elements || []).map((section) => h("li", null, inlines(section.elements || [])));
}

function inlines(elements) {
  return (elements || []).map((element) =>
    styled(element, INLINES[element.type]?.(element) ?? textOf(element)),
  );
}

function styled(element, node) {
  const style = element.style || {};
  const tags = [
    [style.code, "code"],
    [style.bold, "strong"],
    [style.italic, "em"],
    [style.strike, "s"],
    [style.underline, "u"],
  ];
  return tags.filter(([set]) => set).reduce((inner, [, tag]) => h(tag, null, inner), node);
}

function lineBreaks(text) {
  const out = document.createDocumentFragment();
  String(text ?? "")
    .split("\n")
    .forEach((row, index) => out.append(...(index ? [h("br"), row] : [row])));
  return out;
}

function textOf(element) {
  return element.text ?? element.url ?? element.name ?? element.fallback ?? "";
}

function swatch(value) {
  const ok = /^#[0-9a-f]{3,8}$/i.test(value || "");
  return h("i", { class: "rt-swatch", style: ok ? { backgroundColor: value } : {} });
}
