// Modal views the app opens: a stack of up to three, errors per block, a loading state while the app answers.

import { act, tell, tryAct } from "./api.js";
import { renderBlocks } from "./blocks.js";
import { h, icon } from "./dom.js";
import { readState } from "./elements.js";
import { withEmoji } from "./emoji.js";
import { dialog } from "./popover.js";
import * as state from "./state.js";

const shown = new Map(); // view id → {dialog, body, view, submit}

export function listenToModals() {
  state.on("views", sync);
  state.on("view_errors", ({ view_id: id, errors }) => showErrors(id, errors || {}));
}

function sync() {
  const views = state.store.views;
  for (const [id, entry] of shown) {
    if (views.some((v) => v.id === id)) continue;
    shown.delete(id);
    entry.dialog.close(null);
  }
  for (const view of views) {
    if (shown.has(view.id)) refresh(shown.get(view.id), view);
    else open(view);
  }
}

function open(view) {
  const body = h("div", { class: "blocks modal-blocks" });
  const entry = { view, body };
  entry.submit = h("button", {
    type: "button",
    class: "button primary",
    onclick: () => submit(entry),
  });
  entry.cancel = h("button", { type: "button", class: "button", onclick: () => cancel(entry) });
  entry.dialog = dialog({
    title: "",
    body,
    className: "modal",
    onCancel: () => cancel(entry),
    footer: () => [entry.cancel, entry.submit],
  });
  body.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(entry);
  });
  shown.set(view.id, entry);
  refresh(entry, view);
  const first = body.querySelector("[autofocus]") || body.querySelector("input, textarea, select");
  (first || entry.cancel).focus();
}

function refresh(entry, view) {
  entry.view = view;
  const head = entry.dialog.node.querySelector(".dialog-title");
  head.textContent = withEmoji(view.title?.text || "");
  entry.submit.textContent = withEmoji(view.submit?.text || "Submit");
  entry.submit.hidden = !view.submit && !view.blocks?.some((b) => b.type === "input");
  entry.cancel.textContent = withEmoji(
    view.close?.text || (entry.submit.hidden ? "Close" : "Cancel"),
  );
  loading(entry, false);
  renderBlocks(entry.body, view.blocks, {
    viewId: view.id,
    channel: null,
    dispatch: (block, element, value) =>
      tryAct("block_action", {
        view_id: view.id,
        block_id: block.block_id,
        action_id: element.action_id,
        value,
        state_values: readState(entry.body),
      }),
  });
}

async function submit(entry) {
  if (entry.dialog.node.getAttribute("aria-busy") === "true" || entry.submit.hidden) return;
  clearErrors(entry);
  const values = readState(entry.body);
  const missing = missingValues(entry, values);
  if (Object.keys(missing).length) return showErrors(entry.view.id, missing);
  loading(entry, true);
  try {
    await act("view_submit", { view_id: entry.view.id, state_values: values });
  } catch (error) {
    showProblem(entry, error.message);
  }
  loading(entry, false);
}

async function cancel(entry) {
  const { id } = entry.view;
  state.store.views = state.store.views.filter((v) => v.id !== id);
  state.emit("views");
  await act("view_close", { view_id: id }).catch(
    (error) => error.code !== "not_found" && tell(error),
  );
}

// Slack's client checks these before it asks the app.
function missingValues(entry, values) {
  const errors = {};
  for (const block of entry.view.blocks || []) {
    if (block.type !== "input") continue;
    const value = Object.values(values[block.block_id] || {})[0];
    const problem = inputProblem(block, value);
    if (problem) errors[block.block_id] = problem;
  }
  return errors;
}

function inputProblem(block, value) {
  const contents = Object.entries(value || {})
    .filter(([name]) => name !== "type")
    .map(([, v]) => v);
  const empty = contents.every((v) => v === null || (Array.isArray(v) && !v.length));
  if (empty) return block.optional ? null : "Please fill in this field.";
  const least = block.element.min_length;
  if (least && String(value.value).length < least) return `At least ${least} characters, please.`;
  return block.element.type === "number_input"
    ? numberProblem(block.element, Number(value.value))
    : null;
}

function numberProblem(element, number) {
  if (Number.isNaN(number)) return "Please enter a number.";
  if (element.min_value !== undefined && number < Number(element.min_value))
    return `At least ${element.min_value}, please.`;
  if (element.max_value !== undefined && number > Number(element.max_value))
    return `At most ${element.max_value}, please.`;
  return null;
}

function showErrors(id, errors) {
  const entry = shown.get(id);
  if (!entry) return;
  loading(entry, false);
  let first = null;
  for (const [block, text] of Object.entries(errors)) {
    const row = entry.body.querySelector(`[data-errors="${CSS.escape(block)}"]`);
    if (!row) continue;
    row.classList.add("has-error");
    row.querySelector(".input-error").textContent = text;
    const field = row.querySelector("input, textarea, select");
    field?.setAttribute("aria-invalid", "true");
    first = first || field;
  }
  if (first) first.focus();
  else if (Object.keys(errors).length) showProblem(entry, Object.values(errors).join(" "));
}

function clearErrors(entry) {
  entry.body.querySelector(".modal-problem")?.remove();
  for (const row of entry.body.querySelectorAll(".has-error")) {
    row.classList.remove("has-error");
    row.querySelector(".input-error").textContent = "";
    row.querySelector("[aria-invalid]")?.removeAttribute("aria-invalid");
  }
}

function showProblem(entry, text) {
  entry.body.querySelector(".modal-problem")?.remove();
  entry.body.prepend(h("div", { class: "modal-problem", role: "alert" }, icon("warn"), text));
}

function loading(entry, on) {
  if (on) entry.dialog.node.setAttribute("aria-busy", "true");
  else entry.dialog.node.removeAttribute("aria-busy");
  entry.submit.disabled = on;
}
