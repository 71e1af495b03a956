// Builds and patches DOM. Data only ever becomes text nodes and attributes of known elements:
// nothing here, and nothing built with it, parses a string as HTML.

const SVG = "http://www.w3.org/2000/svg";

// Stroke icons on a 20 x 20 grid, drawn for this page.
const ICONS = {
  home: "M3.5 9 10 3.5 16.5 9v7.5h-4.500v-4.500h-4v4.500H3.500z",
  hash: "M8 3.500 6.500 16.500M13.500 3.500 12 16.500M4 7.500h12.500M3.500 12.500H16",
  lock: "M5 9h10v7.500H5zM7 9V6.500a3 3 0 0 1 6 0V9",
  plus: "M10 4v12M4 10h12",
  close: "M5 5l10 10M15 5 5 15",
  back: "M12 4.500 6.500 10l5.500 5.500",
  menu: "M3.500 6h13M3.500 10h13M3.500 14h13",
  more: "M4.500 10h.01M10 10h.01M15.500 10h.01",
  reply: "M4 5h12v8.500H9.500L6 16.500v-3H4z",
  smile:
    "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM7.500 12a3.200 3.200 0 0 0 5 0M7.700 8.200h.01M12.300 8.200h.01",
  edit: "M4 16l.8-3.400L13.200 4.200l2.600 2.600L7.400 15.200zM11.500 6l2.600 2.600",
  trash: "M4.500 6h11M8 6V4h4v2M6 6l.7 10.500h6.600L14 6",
  send: "M3.500 10.500 16.500 4l-4.500 12.500-2.500-5.500z",
  clip: "M14.500 9 9.300 14.200a3 3 0 0 1-4.300-4.300l5.800-5.800a2 2 0 0 1 2.900 2.900L8 12.600a1 1 0 0 1-1.400-1.400L11.500 6.300",
  at: "M13 10a3 3 0 1 1-6 0 3 3 0 0 1 6 0zm0 0v1.200a2 2 0 0 0 4 0V10a7 7 0 1 0-2.800 5.600",
  file: "M5.500 3h6L15 6.500V17H5.500zM11.500 3v3.500H15",
  download: "M10 3.500v9M6.500 9.500 10 13l3.500-3.500M4 16.500h12",
  copy: "M7 7h9v9.500H7zM4 13V3.500h9",
  check: "M4.500 10.500 8.500 14.500 15.500 6",
  chevron: "M7.500 5l5 5-5 5",
  search: "M9 14.500a5.500 5.500 0 1 0 0-11 5.500 5.500 0 0 0 0 11zM13 13l3.800 3.800",
  sun: "M10 13.200a3.200 3.200 0 1 0 0-6.400 3.200 3.200 0 0 0 0 6.400zM10 2.500v1.800M10 15.700v1.800M2.500 10h1.800M15.700 10h1.800M4.700 4.700l1.300 1.300M14 14l1.300 1.300M4.700 15.300 6 14M14 6l1.300-1.300",
  moon: "M15.800 12A6.500 6.500 0 0 1 8 4.200 6.500 6.500 0 1 0 15.800 12z",
  contrast: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 3v14",
  pulse: "M2.500 10.500h3.500l2-6 3.500 11 2-5h4",
  pause: "M7 4.500v11M13 4.500v11",
  play: "M6.500 4.500v11l9-5.500z",
  stop: "M6 6h8v8H6z",
  eye: "M2.500 10S5 5 10 5s7.500 5 7.500 5-2.500 5-7.500 5-7.500-5-7.500-5zM10 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  archive: "M3.500 4.500h13v3h-13zM5 7.500v8.500h10V7.500M8 10.500h4",
  link: "M8.500 11.500a3 3 0 0 0 4.200 0l2.600-2.600a3 3 0 0 0-4.200-4.200l-.9.9M11.500 8.500a3 3 0 0 0-4.200 0l-2.600 2.600a3 3 0 0 0 4.200 4.200l.9-.9",
  warn: "M10 3.500 17.500 16.500h-15zM10 8.500v3.500M10 14.300h.01",
  info: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 9.500v4M10 6.700h.01",
  thumbUp:
    "M6.500 9v7H4V9zM6.500 9.500 9.500 3.500c1.300 0 2 .8 1.800 2L11 8h4.200c.9 0 1.500.8 1.300 1.600l-1.200 5.200c-.2.700-.8 1.200-1.500 1.200H6.500",
  thumbDown:
    "M6.500 11V4H4v7zM6.500 10.500l3 6c1.300 0 2-.8 1.800-2L11 12h4.200c.9 0 1.500-.8 1.300-1.600l-1.200-5.200c-.2-.7-.8-1.200-1.500-1.200H6.500",
  user: "M10 10.500a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 16.500c.6-3 3-4.500 6-4.500s5.400 1.500 6 4.500",
  bolt: "M11 2.500 4.500 11.500h4.500L8.500 17.500 15.500 8.500H11z",
};

/** Make an element: `on…` props are listeners, `data`/`style` are maps, null and false are left out. */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) setProp(node, name, value);
  append(node, children);
  return node;
}

export function append(node, children) {
  for (const child of children.flat(4)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] || "");
  svg.append(path);
  return svg;
}

export function iconButton(name, label, onclick, props = {}) {
  return h(
    "button",
    { type: "button", class: "icon-button", title: label, "aria-label": label, onclick, ...props },
    icon(name),
  );
}

/** The address if it may be followed from untrusted text, else null. */
export function safeHref(address) {
  const text = String(address || "").trim();
  if (!/^(https?:\/\/|mailto:)/i.test(text)) return null;
  try {
    const { protocol } = new URL(text);
    return ["http:", "https:", "mailto:"].includes(protocol) ? text : null;
  } catch {
    return null;
  }
}

/** A link for untrusted addresses; one that may not be followed becomes plain text. */
export function link(address, ...children) {
  const href = safeHref(address);
  const inner = children.length ? children : [address];
  if (!href) return h("span", { class: "dead-link", title: "This link is not followed" }, inner);
  return h("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, inner);
}

/** The address if it lives on this server (files, uploads), else null: foreign pictures are not fetched. */
export function ownAddress(address) {
  if (!address) return null;
  try {
    const url = new URL(String(address), window.location.href);
    return url.origin === window.location.origin ? url.href : null;
  } catch {
    return null;
  }
}

/**
 * Make `parent`'s children show `items`, touching only what changed.
 * `render(item)` makes a node; `patch(node, item)` updates one in place, or returns false to have it remade.
 */
export function reconcile(parent, items, { key, render, patch }) {
  const old = parent._keyed || new Map();
  const fresh = new Map();
  let cursor = parent.firstChild;
  for (const item of items) {
    const id = key(item);
    let node = old.get(id);
    old.delete(id);
    if (node && patch && patch(node, item) === false) {
      const made = render(item);
      if (cursor === node) cursor = made;
      node.replaceWith(made);
      node = made;
    }
    node = node || render(item);
    if (node === cursor) cursor = cursor.nextSibling;
    else parent.insertBefore(node, cursor);
    fresh.set(id, node);
  }
  for (const node of old.values()) node.remove();
  parent._keyed = fresh;
}

/** Replace only the children that differ: growing text keeps its finished paragraphs (and the selection) untouched. */
export function patchChildren(parent, next) {
  const wanted = Array.from(next.childNodes);
  wanted.forEach((node, index) => {
    const have = parent.childNodes[index];
    if (!have) parent.append(node);
    else if (!have.isEqualNode(node)) have.replaceWith(node);
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}

export function clear(node) {
  node.replaceChildren();
  delete node._keyed;
  return node;
}

/** Arrow keys move focus among `selector` in `container`; Home and End jump. */
export function rovingFocus(container, selector) {
  container.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    const here = event.target.closest(selector);
    if (step === undefined || !here || event.target.matches("input, textarea, select")) return;
    const all = Array.from(container.querySelectorAll(selector)).filter((n) => n.offsetParent);
    const index = Math.max(0, Math.min(all.length - 1, all.indexOf(here) + step));
    event.preventDefault();
    for (const node of all) node.tabIndex = node === all[index] ? 0 : -1;
    all[index].focus();
  });
}

function setProp(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) node.addEventListener(name.slice(2).toLowerCase(), value);
  else if (name === "data") Object.assign(node.dataset, value);
  else if (name === "style") Object.assign(node.style, value);
  else if (name === "value" || name === "checked" || name === "selected") node[name] = value;
  else node.setAttribute(name, value === true ? "" : String(value));
}
