// Blocks that hold others: card, carousel, container.

import { elementNode } from "./elements.js";
import { h, link } from "./dom.js";
import { pictureAddress } from "./files.js";
import { mrkdwn, textObject } from "./mrkdwn.js";

export function cardBlock(b, ctx) {
  const words = (part) => (typeof part === "string" ? mrkdwn(part) : textObject(part));
  const parts = ["title", "subtitle", "body"]
    .filter((name) => b[name])
    .map((name) => h("div", { class: `b-card-${name}` }, words(b[name])));
  const actions = (b.actions || []).map((e) => elementNode(e, b, ctx));
  return h(
    "div",
    { class: "b-card" },
    hero(b.hero_image || b.image),
    parts,
    actions.length ? h("div", { class: "b-actions" }, actions) : null,
  );
}

function hero(picture) {
  if (!picture) return null;
  const src = pictureAddress(picture);
  const label = picture.alt_text || "Picture";
  if (!src) return h("p", { class: "b-card-note" }, link(picture.image_url, label));
  return h("img", { class: "b-card-hero", src, alt: label, loading: "lazy" });
}

export function carouselBlock(b, ctx) {
  const cards = (b.elements || b.cards || []).map((card) => cardBlock(card, ctx));
  return h(
    "div",
    { class: "b-carousel", tabindex: "0", role: "region", "aria-label": "Cards" },
    cards,
  );
}

export function containerBlock(b, ctx, renderBlocks) {
  const inside = h("div", { class: "blocks" });
  renderBlocks(inside, b.child_blocks || [], ctx);
  const title = b.title ? textObject(b.title) : "Details";
  if (!b.is_collapsible)
    return h(
      "div",
      { class: "b-container" },
      b.title ? h("div", { class: "b-card-title" }, title) : null,
      inside,
    );
  return h(
    "details",
    { class: "b-container", open: !b.is_collapsed },
    h("summary", null, title),
    inside,
  );
}
