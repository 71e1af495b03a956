// Blocks that hold others: card, carousel, container.

import { elementNode } from "./elements.js";
import { h, link } from "./dom.js";
import { pictureAddress } from "./files.js";
import { mrkdwn, textObject } from "./mrkdwn.js";

export function cardBlock(b, ctx) {
  const picture = b.hero_image || b.image;
  const src = picture ? pictureAddress(picture) : null;
  const words = (part) => (typeof part === "string" ? mrkdwn(part) : textObject(part));
  return h(
    "div",
    { class: "b-card" },
    src ? h("img", { class: "b-card-hero", src, alt: picture.alt_text || "", loading: "lazy" }) : null,
    picture && !src ? h("p", { class: "b-card-note" }, link(picture.image_url, picture.alt_text || "Picture")) : null,
    b.title ? h("div", { class: "b-card-title" }, words(b.title)) : null,
    b.subtitle ? h("div", { class: "b-card-subtitle" }, words(b.subtitle)) : null,
    b.body ? h("div", { class: "b-card-body" }, words(b.body)) : null,
    b.actions?.length ? h("div", { class: "b-actions" }, b.actions.map((e) => elementNode(e, b, ctx))) : null,
  );
}

export function carouselBlock(b, ctx) {
  const cards = (b.elements || b.cards || []).map((card) => cardBlock(card, ctx));
  return h("div", { class: "b-carousel", tabindex: "0", role: "region", "aria-label": "Cards" }, cards);
}

export function containerBlock(b, ctx, renderBlocks) {
  const inside = h("div", { class: "blocks" });
  renderBlocks(inside, b.child_blocks || [], ctx);
  const title = b.title ? textObject(b.title) : "Details";
  if (!b.is_collapsible) return h("div", { class: "b-container" }, b.title ? h("div", { class: "b-card-title" }, title) : null, inside);
  return h("details", { class: "b-container", open: !b.is_collapsed }, h("summary", null, title), inside);
}
