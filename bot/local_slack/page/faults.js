// The switches that make the local Slack misbehave, as the real one sometimes does.

import { act, read, tell } from "./api.js";
import { h } from "./dom.js";
import * as state from "./state.js";

const NUMBERS = [
  [
    "duplicate_deliveries",
    "Deliver events twice",
    "share of deliveries, 0 to 1",
    { min: 0, max: 1, step: 0.1 },
  ],
  ["stream_expiry_s", "Streams end after", "seconds", { min: 1, step: 1 }],
  ["retry_time_scale", "Time scale of retries", "1 is Slack's pace", { min: 0, step: 0.1 }],
];
const SWITCHES = [
  ["ack_timeout_retries", "Retry unacknowledged events", "after 3 seconds, as Slack does"],
  ["enforce_rate_limits", "Enforce rate limits", "429 with Retry-After"],
  ["out_of_order", "Deliver out of order", "events may overtake each other"],
];

/** A form that shows and changes the server's faults. */
export function faultSwitches() {
  const form = h("div", { class: "faults" });
  const draw = (faults) => form.replaceChildren(...parts(faults, draw));
  const off = state.on("faults", (faults) => (form.isConnected ? draw(faults) : off()));
  load(draw);
  return form;
}

async function load(draw) {
  try {
    const reply = await read("faults");
    draw(reply.faults || reply);
  } catch (error) {
    tell(error);
  }
}

async function change(body, draw) {
  try {
    const reply = await act("faults", body);
    if (reply.faults) draw(reply.faults);
  } catch (error) {
    tell(error);
  }
}

function parts(faults, draw) {
  return [
    h(
      "div",
      { class: "fault-grid" },
      SWITCHES.map((s) => switchRow(s, faults, draw)),
      NUMBERS.map((n) => numberRow(n, faults, draw)),
    ),
    slowRow(faults, draw),
    failRow(faults, draw),
    h(
      "div",
      { class: "fault-actions" },
      button("Drop the socket", () => change({ drop_socket: true }, draw)),
      button("Reset all faults", () => act("faults/reset").then(() => load(draw), tell)),
    ),
  ];
}

function switchRow([name, label, note], faults, draw) {
  const box = h("input", {
    type: "checkbox",
    checked: Boolean(faults[name]),
    onchange: () => change({ [name]: box.checked }, draw),
  });
  return h(
    "label",
    { class: "choice fault", data: { fault: name } },
    box,
    h("span", null, label, h("small", null, note)),
  );
}

function numberRow([name, label, note, props], faults, draw) {
  const input = h("input", {
    type: "number",
    class: "field field-small",
    value: faults[name] ?? "",
    ...props,
    "aria-label": label,
  });
  input.addEventListener("change", () => {
    if (input.value !== "") change({ [name]: Number(input.value) }, draw);
    else if (faults[name] !== null && name === "stream_expiry_s") change({ [name]: null }, draw);
  });
  return h(
    "div",
    { class: "fault", data: { fault: name } },
    h("span", null, label, h("small", null, note)),
    input,
  );
}

/** What is being typed; every change of a fault draws the panel anew. */
const drafts = new Map();

function draftField(props) {
  const key = props["aria-label"];
  const input = h("input", { ...props, value: drafts.get(key) ?? "" });
  input.addEventListener("input", () => drafts.set(key, input.value));
  return input;
}

function slowRow(faults, draw) {
  const method = draftField({
    class: "field field-small",
    placeholder: "chat.update or *",
    "aria-label": "Method to slow down",
  });
  const ms = h("input", {
    type: "number",
    class: "field field-small",
    min: 0,
    value: 1000,
    "aria-label": "Milliseconds",
  });
  const add = () => {
    const name = method.value.trim();
    if (!name) return;
    drafts.delete("Method to slow down");
    change({ slow_api_ms: { ...faults.slow_api_ms, [name]: Number(ms.value) } }, draw);
  };
  return ruleRow("Slow API calls", faults.slow_api_ms, (value) => `${value} ms`, [
    method,
    ms,
    button("Slow down", add),
  ]);
}

function failRow(faults, draw) {
  const method = draftField({
    class: "field field-small",
    placeholder: "chat.postMessage",
    "aria-label": "Method that fails",
  });
  const what = h("input", {
    class: "field field-small",
    placeholder: "error name or status",
    value: "ratelimited",
    "aria-label": "Error or status",
  });
  const times = h("input", {
    type: "number",
    class: "field field-small",
    min: 1,
    value: 1,
    "aria-label": "How many times",
  });
  const add = () => {
    const name = method.value.trim();
    if (!name) return;
    drafts.delete("Method that fails");
    const rule = failure(what.value.trim(), Number(times.value));
    change({ fail_api: { ...faults.fail_api, [name]: rule } }, draw);
  };
  return ruleRow("Failing API calls", faults.fail_api, (value) => JSON.stringify(value), [
    method,
    what,
    times,
    button("Make it fail", add),
  ]);
}

function failure(what, times) {
  if (/^\d{3}$/.test(what)) return { status: Number(what), times };
  return what === "ratelimited"
    ? { status: 429, error: what, retry_after: 1, times }
    : { error: what, times };
}

function ruleRow(title, rules, words, controls) {
  const set = Object.entries(rules || {}).map(([name, value]) =>
    h("li", null, h("code", null, name), ` ${words(value)}`),
  );
  return h(
    "section",
    { class: "fault-rules" },
    h("h3", null, title),
    h("ul", null, set),
    h("div", { class: "fault-form" }, controls),
  );
}

function button(label, onclick) {
  return h("button", { type: "button", class: "button small", onclick }, label);
}
