// Block Kit elements that hold a value: text fields, selects, choices, dates. Each node carries
// `_read()`, which gives the value in the shape of Slack's `state.values`.

import { append, h } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { nameOfUser, store } from "./state.js";
import { textObject, plain } from "./mrkdwn.js";

const FILTER_FROM = 8;

export const INPUT_ELEMENTS = {
  plain_text_input: textInput("text"),
  email_text_input: textInput("email"),
  url_text_input: textInput("url"),
  number_input: textInput("number"),
  datepicker: dateInput("date", "selected_date", "initial_date"),
  timepicker: dateInput("time", "selected_time", "initial_time"),
  datetimepicker: dateTimeInput,
  static_select: select(staticOptions),
  users_select: select(userOptions),
  channels_select: select(channelOptions),
  conversations_select: select(conversationOptions),
  multi_static_select: multi(staticOptions),
  multi_users_select: multi(userOptions),
  multi_channels_select: multi(channelOptions),
  multi_conversations_select: multi(conversationOptions),
  radio_buttons: radios,
  checkboxes,
};

/** An input block: label, element, hint, and room for an error. */
export function inputBlock(block, ctx) {
  const changed = (value) =>
    block.dispatch_action ? ctx.dispatch(block, block.element, value) : null;
  const make = INPUT_ELEMENTS[block.element?.type] || notShown;
  const control = make(block.element, block, changed, ctx);
  const id = `in-${++counter}`;
  const hint = block.hint
    ? h("div", { class: "input-hint", id: `${id}-hint` }, plain(block.hint.text))
    : null;
  const error = h("div", { class: "input-error", id: `${id}-error`, role: "alert" });
  const described = [hint?.id, error.id].filter(Boolean).join(" ");
  const label = control.matches("fieldset")
    ? groupLabel(control, id, described)
    : fieldLabel(control, id, described);
  append(label, [
    plain(block.label?.text),
    block.optional ? h("span", { class: "input-optional" }, " (optional)") : null,
  ]);
  return h(
    "div",
    { class: "b-input", data: { errors: block.block_id || "" } },
    label,
    control,
    hint,
    error,
  );
}

let counter = 0;

function notShown(element) {
  return h("span", { class: "b-unknown" }, `“${String(element?.type)}” cannot be shown here`);
}

function groupLabel(control, id, described) {
  control.setAttribute("aria-labelledby", `${id}-label`);
  control.setAttribute("aria-describedby", described);
  return h("div", { class: "input-label", id: `${id}-label` });
}

function fieldLabel(control, id, described) {
  const inner = control.querySelector("input, textarea, select");
  const field = control.matches("input, textarea, select") ? control : inner;
  if (!field) return h("div", { class: "input-label" });
  field.id = id;
  field.setAttribute("aria-describedby", described);
  return h("label", { class: "input-label", for: id });
}

function holder(node, element, block, type, read) {
  node.dataset.input = type;
  node.dataset.block = block.block_id || "";
  node.dataset.action = element.action_id || "";
  node._read = () => ({ type, ...read() });
  return node;
}

function textInput(kind) {
  return (element, block, changed) => {
    const props = {
      class: "field",
      placeholder: withEmoji(element.placeholder?.text) || null,
      value: element.initial_value ?? "",
      maxlength: element.max_length || null,
      autofocus: element.focus_on_load,
    };
    const input = element.multiline
      ? h("textarea", { ...props, rows: 4 })
      : h("input", { ...props, ...typeProps(kind, element) });
    const read = () => ({ value: input.value === "" ? null : input.value });
    const when = element.dispatch_action_config?.trigger_actions_on || ["on_enter_pressed"];
    if (when.includes("on_character_entered"))
      input.addEventListener("input", () => changed(input._read()));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !element.multiline && when.includes("on_enter_pressed"))
        changed(input._read());
    });
    return holder(input, element, block, element.type, read);
  };
}

function typeProps(kind, element) {
  if (kind !== "number") return { type: kind };
  const step = element.is_decimal_allowed ? "any" : "1";
  return {
    type: "number",
    min: element.min_value ?? null,
    max: element.max_value ?? null,
    step,
    inputmode: "decimal",
  };
}

function dateInput(kind, field, initial) {
  return (element, block, changed) => {
    const input = h("input", {
      class: "field field-short",
      type: kind,
      value: element[initial] ?? "",
    });
    input.addEventListener("change", () => changed(input._read()));
    return holder(input, element, block, element.type, () => ({ [field]: input.value || null }));
  };
}

function dateTimeInput(element, block, changed) {
  const local = (unix) => {
    const date = new Date(unix * 1000);
    return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  };
  const value = element.initial_date_time ? local(element.initial_date_time) : "";
  const input = h("input", { class: "field field-short", type: "datetime-local", value });
  input.addEventListener("change", () => changed(input._read()));
  const read = () => ({
    selected_date_time: input.value ? Math.floor(new Date(input.value).getTime() / 1000) : null,
  });
  return holder(input, element, block, element.type, read);
}

// Each kind of option list: {groups: [{label, options: [{value, label, raw}]}], field, initial}.
function staticOptions(element) {
  const one = (option) => ({
    value: option.value,
    label: withEmoji(option.text?.text),
    raw: option,
  });
  const groups = element.option_groups
    ? element.option_groups.map((g) => ({
        label: withEmoji(g.label?.text),
        options: (g.options || []).map(one),
      }))
    : [{ label: null, options: (element.options || []).map(one) }];
  const initial = element.initial_option?.value ?? null;
  return {
    groups,
    field: "selected_option",
    initial,
    initials: (element.initial_options || []).map((o) => o.value),
  };
}

function userOptions(element) {
  const options = store.workspace.users.map((u) => ({
    value: u.id,
    label: nameOfUser(u.id),
    raw: u.id,
  }));
  return {
    groups: [{ label: null, options }],
    field: "selected_user",
    initial: element.initial_user,
    initials: element.initial_users || [],
  };
}

function channelOptions(element) {
  const found = placeOptions((c) => c.kind === "channel");
  return {
    ...found,
    field: "selected_channel",
    initial: element.initial_channel,
    initials: element.initial_channels || [],
  };
}

function conversationOptions(element, ctx) {
  const kinds = { public: ["channel"], private: ["private"], im: ["im"], mpim: ["mpim"] };
  const wanted = (element.filter?.include || Object.keys(kinds)).flatMap((k) => kinds[k] || []);
  const found = placeOptions((c) => wanted.includes(c.kind));
  const here = element.default_to_current_conversation ? ctx?.channel : null;
  return {
    ...found,
    field: "selected_conversation",
    initial: element.initial_conversation || here,
    initials: element.initial_conversations || [],
  };
}

function placeOptions(accepts) {
  const places = store.workspace.channels.filter(
    (c) => accepts(c) && !c.is_archived && (c.is_member || c.kind === "channel"),
  );
  const label = (c) => (c.kind === "im" ? nameOfUser(c.user) : `#${c.name}`);
  return {
    groups: [
      { label: null, options: places.map((c) => ({ value: c.id, label: label(c), raw: c.id })) },
    ],
  };
}

function select(optionsOf) {
  return (element, block, changed, ctx) => {
    const { groups, field, initial } = optionsOf(element, ctx);
    const all = groups.flatMap((g) => g.options);
    const first = h("option", { value: "" }, withEmoji(element.placeholder?.text) || "Choose…");
    const option = (o) =>
      h("option", { value: String(all.indexOf(o)), selected: o.value === initial }, o.label);
    const inside = groups.map((g) =>
      g.label ? h("optgroup", { label: g.label }, g.options.map(option)) : g.options.map(option),
    );
    const node = h(
      "select",
      { class: "field field-select", "aria-label": withEmoji(element.placeholder?.text) || null },
      first,
      inside,
    );
    node.addEventListener("change", () => changed(node._read()));
    return holder(node, element, block, element.type, () => ({
      [field]: node.value === "" ? null : all[Number(node.value)].raw,
    }));
  };
}

function multi(optionsOf) {
  return (element, block, changed, ctx) => {
    const { groups, field, initials } = optionsOf(element, ctx);
    const all = groups.flatMap((g) => g.options);
    const boxes = all.map((o) => choice("checkbox", "", o.label, initials.includes(o.value)));
    const list = h("div", { class: "multi-list" }, boxes);
    const filter = all.length >= FILTER_FROM ? filterField(all, boxes) : null;
    const node = h("fieldset", { class: "multi" }, filter, list);
    const read = () => ({
      [`${field}s`]: all
        .filter((_o, i) => boxes[i].querySelector("input").checked)
        .map((o) => o.raw),
    });
    node.addEventListener("change", (event) => {
      if (event.target.type !== "checkbox") return;
      const chosen = node._read()[`${field}s`];
      if (element.max_selected_items && chosen.length > element.max_selected_items)
        event.target.checked = false;
      else changed(node._read());
    });
    return holder(node, element, block, element.type, read);
  };
}

function filterField(all, boxes) {
  const input = h("input", {
    class: "field",
    type: "search",
    placeholder: "Filter",
    "aria-label": "Filter the choices",
  });
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    all.forEach((o, i) => (boxes[i].hidden = !String(o.label).toLowerCase().includes(wanted)));
  });
  return input;
}

function radios(element, block, changed) {
  const options = element.options || [];
  const name = `radio-${++counter}`;
  const boxes = options.map((o) =>
    choice(
      "radio",
      name,
      textObject(o.text),
      o.value === element.initial_option?.value,
      o.description,
    ),
  );
  const node = h("fieldset", { class: "choices" }, boxes);
  const read = () => ({
    selected_option: options.find((_o, i) => boxes[i].querySelector("input").checked) ?? null,
  });
  node.addEventListener("change", () => changed(node._read()));
  return holder(node, element, block, element.type, read);
}

function checkboxes(element, block, changed) {
  const options = element.options || [];
  const initial = (element.initial_options || []).map((o) => o.value);
  const boxes = options.map((o) =>
    choice("checkbox", "", textObject(o.text), initial.includes(o.value), o.description),
  );
  const node = h("fieldset", { class: "choices" }, boxes);
  const read = () => ({
    selected_options: options.filter((_o, i) => boxes[i].querySelector("input").checked),
  });
  node.addEventListener("change", () => changed(node._read()));
  return holder(node, element, block, element.type, read);
}

function choice(type, name, label, checked, description) {
  const note = description ? h("small", null, textObject(description)) : null;
  return h(
    "label",
    { class: "choice" },
    h("input", { type, name, checked }),
    h("span", null, label, note),
  );
}
