// Block Kit to DOM: one function per block type in a table. Interactive parts are in elements.js.
// `ctx` says where the blocks stand ({channel, ts, threadTs, viewId, message}) and how to send what people do.

import { cardBlock, carouselBlock, containerBlock } from "./cards.js";
import { elementNode } from "./elements.js";
import { h, icon, link, patchChildren, reconcile } from "./dom.js";
import { pictureAddress } from "./files.js";
import { inputBlock } from "./inputs.js";
import { markdown } from "./markdown.js";
import { mrkdwn, plain, textObject } from "./mrkdwn.js";
import { patchPlan, planBlock, patchTaskCard, taskCard } from "./plan.js";
import { richText } from "./rich_text.js";
import { dataTable, dataVisualization, tableBlock } from "./tables.js";

const ALERT_ICONS = {
  success: "check",
  warning: "warn",
  error: "warn",
  info: "info",
  default: "info",
};

const BLOCKS = {
  section,
  divider: () => h("hr", { class: "b-divider" }),
  header: (b) => h("h2", { class: "b-header" }, textObject(b.text)),
  context,
  actions: (b, ctx) =>
    h(
      "div",
      { class: "b-actions" },
      (b.elements || []).map((e) => elementNode(e, b, ctx)),
    ),
  context_actions: (b, ctx) =>
    h(
      "div",
      { class: "b-context-actions" },
      (b.elements || []).map((e) => elementNode(e, b, ctx)),
    ),
  image,
  markdown: (b) => markdown(b.text),
  rich_text: (b) => richText(b),
  table: tableBlock,
  data_table: dataTable,
  data_visualization: dataVisualization,
  plan: planBlock,
  task_card: taskCard,
  alert,
  card: (b, ctx) => cardBlock(b, ctx),
  carousel: (b, ctx) => carouselBlock(b, ctx),
  container: (b, ctx) => containerBlock(b, ctx, renderBlocks),
  input: inputBlock,
  file: (b) => h("div", { class: "b-file" }, icon("file"), `Remote file ${b.external_id || ""}`),
  video,
  call: (b) => h("div", { class: "b-file" }, icon("pulse"), `Call ${b.call_id || ""}`),
};

// How a node follows its changed block in place; returning false has it made anew.
const PATCHES = {
  plan: patchPlan,
  task_card: patchTaskCard,
  markdown: (node, b) => {
    patchChildren(node, markdown(b.text));
    return true;
  },
};

/** Make `container` show `blocks`; called again, it changes only the blocks that changed. */
export function renderBlocks(container, blocks, ctx) {
  const seen = new Map();
  const items = (blocks || []).map((block, index) => ({ block, key: keyOf(block, index, seen) }));
  reconcile(container, items, {
    key: (item) => item.key,
    render: ({ block }) => made(block, ctx),
    patch: (node, { block }) => patched(node, block),
  });
}

/** One line for where blocks cannot be shown: notifications, thread summaries. */
export function blocksAsWords(blocks) {
  const words = (b) =>
    b.text?.text ?? (typeof b.text === "string" ? b.text : (b.title?.text ?? b.title ?? ""));
  return (blocks || []).map(words).filter(Boolean).join(" ").slice(0, 200);
}

function made(block, ctx) {
  const render = BLOCKS[block.type];
  const node = render ? render(block, ctx) : unknown(block);
  node.classList.add("block", `block-${String(block.type).replace(/[^a-z_]/g, "")}`);
  if (block.block_id) node.dataset.block = block.block_id;
  node._block = JSON.stringify(block);
  return node;
}

function patched(node, block) {
  const text = JSON.stringify(block);
  if (node._block === text) return true;
  const patch = PATCHES[block.type];
  if (!patch || patch(node, block) === false) return false;
  node._block = text;
  if (block.block_id) node.dataset.block = block.block_id;
  return true;
}

// Live messages get a new block_id with each edit, so place and type are the identity that keeps nodes.
function keyOf(block, index, seen) {
  const isInput = block.type === "input";
  const base = isInput && block.block_id ? `input:${block.block_id}` : block.type;
  const count = (seen.get(base) || 0) + 1;
  seen.set(base, count);
  return isInput && block.block_id ? `${base}:${count}` : `${base}#${count}`;
}

function section(b, ctx) {
  const fields = (b.fields || []).map((f) => h("div", { class: "b-field" }, textObject(f)));
  const words = [
    b.text ? h("div", { class: "b-text" }, textObject(b.text)) : null,
    fields.length ? h("div", { class: "b-fields" }, fields) : null,
  ];
  const accessory = b.accessory
    ? h("div", { class: "b-accessory" }, elementNode(b.accessory, b, ctx))
    : null;
  return h("div", { class: "b-section" }, h("div", { class: "b-section-main" }, words), accessory);
}

function context(b) {
  const parts = (b.elements || []).map((e) =>
    e.type === "image" ? smallImage(e) : h("span", { class: "b-context-text" }, textObject(e)),
  );
  return h("div", { class: "b-context" }, parts);
}

export function smallImage(e) {
  const src = pictureAddress(e);
  if (!src)
    return h(
      "span",
      { class: "b-context-text", title: "Pictures from elsewhere are not fetched" },
      e.alt_text || "🖼",
    );
  return h("img", { class: "b-context-image", src, alt: e.alt_text || "", loading: "lazy" });
}

function image(b) {
  const src = pictureAddress(b);
  const title = b.title ? h("figcaption", null, plain(b.title.text)) : null;
  if (!src)
    return h(
      "div",
      { class: "b-file" },
      icon("file"),
      link(b.image_url, b.alt_text || "Picture"),
      title,
    );
  const img = h("img", { src, alt: b.alt_text || "", loading: "lazy" });
  return h(
    "figure",
    { class: "b-image" },
    title,
    h("a", { href: src, target: "_blank", rel: "noopener" }, img),
  );
}

function alert(b) {
  const level = ALERT_ICONS[b.level] ? b.level : "default";
  const words = typeof b.text === "string" ? mrkdwn(b.text) : textObject(b.text);
  return h(
    "div",
    { class: `b-alert b-alert-${level}`, role: level === "error" ? "alert" : "note" },
    icon(ALERT_ICONS[level]),
    h("div", null, words),
  );
}

function video(b) {
  return h(
    "div",
    { class: "b-file" },
    icon("play"),
    h(
      "div",
      null,
      link(b.title_url || b.video_url, plain(b.title?.text || "Video")),
      b.description ? h("small", null, plain(b.description.text)) : null,
    ),
  );
}

function unknown(block) {
  return h(
    "div",
    { class: "b-unknown" },
    icon("info"),
    `This page cannot show a “${String(block.type)}” block.`,
  );
}
