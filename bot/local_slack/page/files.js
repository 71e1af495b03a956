// Files in messages: pictures inline, everything else as a card with a download.

import { h, icon, ownAddress } from "./dom.js";
import { me } from "./state.js";

const SIZES = ["B", "KB", "MB", "GB"];

export function fileNodes(files) {
  return (files || []).map((file) => (isPicture(file) ? picture(file) : card(file)));
}

/** Where the picture of an image block can be read, or null if it is not on this server. */
export function pictureAddress(block) {
  const file = block.slack_file;
  const id = file && (file.id || /\b(F[A-Z0-9]{6,})\b/.exec(file.url || "")?.[1]);
  if (id)
    return ownAddress(
      `/_page/file/${encodeURIComponent(id)}/picture?user=${encodeURIComponent(me())}`,
    );
  return ownAddress(block.image_url);
}

export function sizeWords(bytes) {
  let value = Number(bytes) || 0;
  let step = 0;
  while (value >= 1024 && step < SIZES.length - 1) {
    value /= 1024;
    step += 1;
  }
  return `${value < 10 && step ? value.toFixed(1) : Math.round(value)} ${SIZES[step]}`;
}

function isPicture(file) {
  // SVG can carry scripts; as an <img> it is inert, but opened by itself it is not.
  return /^image\/(png|jpe?g|gif|webp|avif)$/.test(file.mimetype || "") && addressOf(file);
}

function addressOf(file) {
  return ownAddress(file.url_private);
}

function picture(file) {
  const src = addressOf(file);
  const name = file.title || file.name || "Picture";
  return h(
    "figure",
    { class: "file-picture" },
    h("figcaption", null, name, h("small", null, sizeWords(file.size))),
    h(
      "a",
      { href: src, target: "_blank", rel: "noopener", "aria-label": `Open ${name}` },
      h("img", { src, alt: name, loading: "lazy" }),
    ),
  );
}

function card(file) {
  const href = ownAddress(file.url_private_download) || addressOf(file);
  const name = file.title || file.name || file.id;
  const kind = (file.filetype || file.mimetype || "file").toString().toUpperCase();
  const words = h(
    "span",
    { class: "file-words" },
    h("span", { class: "file-name" }, name),
    h("small", null, `${kind} · ${sizeWords(file.size)}`),
  );
  if (!href) return h("div", { class: "file-card" }, icon("file"), words);
  return h(
    "a",
    { class: "file-card", href, download: file.name || "", "aria-label": `Download ${name}` },
    icon("file"),
    words,
    icon("download"),
  );
}
