// The live plan: `plan` and `task_card` blocks that change in place while an agent works.
// A card is known by its task_id; an opened card stays open, and only what changed is touched.

import { h, icon, link, patchChildren, reconcile } from "./dom.js";
import { plain, textObject, mrkdwn } from "./mrkdwn.js";
import { richText, richTextWords } from "./rich_text.js";

const STATUS_WORDS = {
  pending: "Pending",
  in_progress: "In progress",
  complete: "Complete",
  error: "Error",
};

export function planBlock(b) {
  const node = h(
    "section",
    { class: "plan", "aria-label": "Plan" },
    h(
      "header",
      { class: "plan-head" },
      h("span", { class: "plan-title" }),
      h("span", { class: "plan-count" }),
    ),
    h("div", { class: "plan-bar", "aria-hidden": "true" }, h("i")),
    h("ol", { class: "plan-tasks" }),
  );
  patchPlan(node, b);
  return node;
}

export function patchPlan(node, b) {
  const tasks = (b.tasks || []).map(withId);
  const done = tasks.filter((t) => t.status === "complete").length;
  setText(node.querySelector(".plan-title"), words(b.title) || "Plan");
  setText(node.querySelector(".plan-count"), tasks.length ? `${done} of ${tasks.length}` : "");
  node.querySelector(".plan-bar i").style.width =
    `${tasks.length ? (100 * done) / tasks.length : 0}%`;
  node.dataset.state = stateOf(tasks, done);
  reconcile(node.querySelector(".plan-tasks"), tasks, {
    key: (task) => task.task_id,
    render: (task) => h("li", null, taskCard(task)),
    patch: (row, task) => patchTaskCard(row.firstChild, task),
  });
  return true;
}

export function taskCard(b) {
  const node = h(
    "details",
    { class: "task" },
    h(
      "summary",
      { class: "task-head" },
      h("span", { class: "task-mark", role: "img" }),
      h(
        "span",
        { class: "task-words" },
        h("span", { class: "task-title" }),
        h("span", { class: "task-line" }),
      ),
      icon("chevron"),
    ),
    h(
      "div",
      { class: "task-body" },
      h("div", { class: "task-details" }),
      h("div", { class: "task-output" }),
      h("ul", { class: "task-sources" }),
    ),
  );
  node.querySelector("summary").addEventListener("click", (event) => {
    if (node.classList.contains("task-bare")) event.preventDefault();
  });
  patchTaskCard(node, b);
  return node;
}

export function patchTaskCard(node, b) {
  const status = STATUS_WORDS[b.status] ? b.status : "pending";
  if (node.dataset.status !== status) showStatus(node, status);
  setText(node.querySelector(".task-title"), words(b.title));
  setText(node.querySelector(".task-line"), oneLine(b));
  setPart(node.querySelector(".task-details"), b.details);
  setPart(node.querySelector(".task-output"), b.output);
  setSources(node.querySelector(".task-sources"), b.sources);
  node.classList.toggle("task-bare", !b.details && !b.output && !b.sources?.length);
  return true;
}

function showStatus(node, status) {
  node.dataset.status = status;
  const mark = node.querySelector(".task-mark");
  mark.setAttribute("aria-label", STATUS_WORDS[status]);
  mark.title = STATUS_WORDS[status];
  const sign = { complete: icon("check"), error: icon("close") }[status];
  mark.replaceChildren(...(sign ? [sign] : []));
}

// What a closed card says of itself: the outcome when there is one, else what is being done.
function oneLine(b) {
  const part = b.output || b.details;
  const text =
    typeof part === "string" ? part : (part?.text?.text ?? part?.text ?? richTextWords(part));
  return String(text || "")
    .split("\n")[0]
    .slice(0, 240);
}

function setPart(node, part) {
  const text = JSON.stringify(part ?? null);
  if (node._part === text) return;
  node._part = text;
  const next = h("div");
  if (typeof part === "string") next.append(h("div", null, plain(part)));
  else if (part?.type === "rich_text") next.append(richText(part));
  else if (part?.type === "mrkdwn") next.append(h("div", null, mrkdwn(part.text)));
  else if (part) next.append(h("div", null, textObject(part)));
  patchChildren(node, next);
}

function setSources(node, sources) {
  const next = h("ul");
  for (const source of sources || []) {
    const label = words(source.text) || source.url;
    next.append(h("li", null, icon("link"), link(source.url, label)));
  }
  patchChildren(node, next);
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function words(part) {
  const text = typeof part === "string" ? part : (part?.text ?? "");
  const holder = h("span", null, plain(text));
  return holder.textContent;
}

function withId(task, index) {
  return { ...task, task_id: task.task_id ?? task.id ?? `task-${index}` };
}

function stateOf(tasks, done) {
  if (tasks.some((t) => t.status === "in_progress")) return "in_progress";
  if (tasks.some((t) => t.status === "error")) return "error";
  return tasks.length && done === tasks.length ? "complete" : "pending";
}
