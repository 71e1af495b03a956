// The interactive elements of Block Kit: buttons, menus, feedback. What takes typed input is in inputs.js.
// An element tells what was done with `ctx.dispatch(block, element, value)`; a menu's own value is read by readState.

import { h, iconButton } from "./dom.js";
import { INPUT_ELEMENTS } from "./inputs.js";
import { withEmoji } from "./emoji.js";
import { me } from "./state.js";
import { confirmed, menu } from "./popover.js";
import { smallImage } from "./blocks.js";

// Which thumb was pressed where, so that it stays pressed when the message is drawn again.
const pressed = new Map();

const ELEMENTS = {
  button,
  workflow_button: button,
  image: (e) => smallImage(e),
  overflow,
  feedback_buttons: feedbackButtons,
  icon_button: iconElement,
};

export function elementNode(element, block, ctx) {
  const make = ELEMENTS[element.type];
  if (make) return make(element, block, ctx);
  const input = INPUT_ELEMENTS[element.type];
  if (input) return input(element, block, onChange(element, block, ctx), ctx);
  return h("span", { class: "b-unknown" }, `“${String(element.type)}” cannot be shown here`);
}

/** The state of all inputs below `root`, in the shape Slack sends it. */
export function readState(root) {
  const values = {};
  for (const node of root.querySelectorAll("[data-input]")) {
    if (!node._read) continue;
    const { block, action } = node.dataset;
    values[block] = { ...values[block], [action]: node._read() };
  }
  return values;
}

function onChange(element, block, ctx) {
  return async (value) => {
    if (await confirmed(element.confirm)) await ctx.dispatch(block, element, value);
  };
}

function button(element, block, ctx) {
  const styles = { primary: " primary", danger: " danger" };
  const label = withEmoji(element.text?.text);
  const node = h(
    "button",
    {
      type: "button",
      class: `button${styles[element.style] || ""}`,
      "aria-label": element.accessibility_label || null,
      data: { action: element.action_id || "" },
      onclick: async () => {
        if (!(await confirmed(element.confirm))) return;
        if (element.url) window.open(element.url, "_blank", "noopener,noreferrer");
        await busy(node, () =>
          ctx.dispatch(block, element, {
            type: "button",
            value: element.value,
            text: element.text,
          }),
        );
      },
    },
    label,
  );
  if (element.url && !/^https?:\/\//i.test(element.url)) node.disabled = true;
  return node;
}

function overflow(element, block, ctx) {
  const node = iconButton("more", "More actions", () =>
    menu(
      node,
      (element.options || []).map((option) => ({
        label: withEmoji(option.text?.text),
        run: () => onChange(element, block, ctx)({ type: "overflow", selected_option: option }),
      })),
    ),
  );
  node.dataset.action = element.action_id || "";
  return node;
}

function feedbackButtons(element, block, ctx) {
  const key = `${me()}:${ctx.channel}:${ctx.ts}:${element.action_id}`;
  const sides = [
    ["positive_button", "thumbUp", "Good answer"],
    ["negative_button", "thumbDown", "Bad answer"],
  ];
  const nodes = sides.map(([side, picture, fallback]) => {
    const part = element[side] || {};
    const label = part.accessibility_label || withEmoji(part.text?.text) || fallback;
    const node = iconButton(picture, label, () => press(side, part), {
      class: "icon-button thumb",
    });
    node.dataset.side = side;
    return node;
  });
  const show = () => {
    for (const node of nodes)
      node.setAttribute("aria-pressed", String(pressed.get(key) === node.dataset.side));
  };
  const press = async (side, part) => {
    pressed.set(key, side);
    show();
    await ctx.dispatch(block, element, {
      type: "feedback_buttons",
      value: part.value,
      text: part.text,
    });
  };
  show();
  return h("div", { class: "feedback", role: "group", "aria-label": "Rate this answer" }, nodes);
}

function iconElement(element, block, ctx) {
  const allowed = element.visible_to_user_ids;
  if (allowed?.length && !allowed.includes(me())) return h("span", { hidden: true });
  const picture = { trash: "trash" }[element.icon] || "more";
  const label = element.accessibility_label || withEmoji(element.text?.text) || element.icon;
  const node = iconButton(picture, label, () =>
    onChange(
      element,
      block,
      ctx,
    )({ type: "icon_button", value: element.value, text: element.text }),
  );
  return node;
}

/** Show a button as working while its action is on the way; a second press does nothing. */
export async function busy(node, work) {
  if (node.getAttribute("aria-busy") === "true") return;
  node.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    node.removeAttribute("aria-busy");
  }
}
