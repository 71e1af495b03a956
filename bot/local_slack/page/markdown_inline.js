// What stands inside a line of Markdown: emphasis, code, links, autolinks, mentions, emoji.

import { h, link, safeHref } from "./dom.js";
import { emojiNode } from "./emoji.js";
import { broadcast, channelLink, mention } from "./mrkdwn.js";

const DEEPEST = 8;

// In order of precedence; the earliest match in the text wins, then the earlier rule.
const RULES = [
  { at: /\\([!-/:-@[-`{-~])/, make: (m) => m[1] },
  {
    at: /(`+)([^`]|[^`][\s\S]*?[^`])\1(?!`)/,
    make: (m) => h("code", null, m[2].replace(/^ (.+) $/, "$1")),
  },
  { at: /!\[([^\]]*)\]\(\s*<?([^\s)>]+)>?(?:\s+"[^"]*")?\s*\)/, make: (m) => picture(m[2], m[1]) },
  {
    at: /\[((?:[^[\]\\]|\\.|\[[^[\]]*\])*)\]\(\s*<?((?:[^\s()<>]|\([^\s()]*\))*)>?(?:\s+["'(][^"')]*["')])?\s*\)/,
    make: (m, depth) => link(m[2], inlineMarkdown(m[1], depth + 1)),
  },
  {
    at: /<((?:https?:\/\/|mailto:)[^\s<>|]+)(?:\|([^<>]*))?>/i,
    make: (m) => link(m[1], m[2] || m[1]),
  },
  { at: /<@([A-Z0-9]+)(?:\|[^<>]*)?>/, make: (m) => mention(m[1]) },
  { at: /<#([A-Z0-9]+)(?:\|([^<>]*))?>/, make: (m) => channelLink(m[1], m[2]) },
  { at: /<!(here|channel|everyone)>/, make: (m) => broadcast(m[1]) },
  { at: /\bhttps?:\/\/[^\s<>]*[^\s<>.,;:!?'")\]}*_~`]/i, make: (m) => link(m[0]) },
  {
    at: /\*\*\*(?=\S)([\s\S]*?\S)\*\*\*/,
    make: (m, d) => h("strong", null, h("em", null, inlineMarkdown(m[1], d + 1))),
  },
  {
    at: /\*\*(?=\S)([\s\S]*?\S)\*\*(?!\*)/,
    make: (m, d) => h("strong", null, inlineMarkdown(m[1], d + 1)),
  },
  {
    at: /(?<!\w)__(?=\S)([\s\S]*?\S)__(?!\w)/,
    make: (m, d) => h("strong", null, inlineMarkdown(m[1], d + 1)),
  },
  {
    at: /\*(?=[^\s*])((?:[^*]|\*\*[^*]+\*\*)*?[^\s*])\*(?!\*)/,
    make: (m, d) => h("em", null, inlineMarkdown(m[1], d + 1)),
  },
  {
    at: /(?<!\w)_(?=[^\s_])([^_]*?[^\s_])_(?!\w)/,
    make: (m, d) => h("em", null, inlineMarkdown(m[1], d + 1)),
  },
  { at: /~~(?=\S)([\s\S]*?\S)~~/, make: (m, d) => h("s", null, inlineMarkdown(m[1], d + 1)) },
  { at: /:([a-z0-9_+-]+(?:::skin-tone-[2-6])?):/, make: (m) => emojiNode(m[1]) },
  { at: /&(amp|lt|gt|quot|nbsp);/, make: (m) => ENTITIES[m[1]] },
  { at: /(?: {2,}|\\)\n/, make: () => h("br") },
  { at: /\n/, make: () => h("br") },
];

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: "\u00a0" };

/** A fragment for the inside of a paragraph, heading or cell. */
export function inlineMarkdown(text, depth = 0) {
  const out = document.createDocumentFragment();
  let rest = String(text);
  const found = RULES.map(() => undefined);
  while (rest) {
    const hit = depth > DEEPEST ? null : earliest(rest, found);
    if (!hit) {
      out.append(rest);
      break;
    }
    const start = hit.match.index;
    if (start) out.append(rest.slice(0, start));
    out.append(hit.rule.make(hit.match, depth));
    rest = rest.slice(start + hit.match[0].length);
  }
  return out;
}

// A rule that found nothing is not asked again, so a long text is not searched over and over.
function earliest(rest, found) {
  let best = null;
  RULES.forEach((rule, index) => {
    if (found[index] === null) return;
    const match = rule.at.exec(rest);
    if (!match) found[index] = null;
    else if (!best || match.index < best.match.index) best = { rule, match };
  });
  return best;
}

// Pictures from elsewhere could tell their server who reads this, so they are only linked.
function picture(address, label) {
  const text = label || address;
  return safeHref(address) ? h("span", { class: "md-picture" }, "🖼 ", link(address, text)) : text;
}
