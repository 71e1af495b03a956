// Where people write: text with completion, files, slash commands; Enter sends, Shift+Enter breaks the line.
// @names and #channels leave as Slack's references; escaping and links are the server's part.

import { act, tell, tryAct, upload } from "./api.js";
import { createCompletion } from "./completion.js";
import { h, icon, iconButton } from "./dom.js";
import { pickEmoji } from "./emoji.js";
import { sizeWords } from "./files.js";
import { nameOfUser, store } from "./state.js";

const TALLEST_PX = 260;
const drafts = new Map();

/**
 * `options` are {channel, threadTs?, label, initial?, onSubmit?, onCancel?, onUp?, onSent?}. With `onSubmit` it edits
 * (Save, Cancel); without, it posts to the channel or thread. `onUp` is called for the Up key in an empty field.
 */
export function createComposer(options) {
  const { channel, threadTs, onSubmit } = options;
  const draftKey = onSubmit ? null : `${channel}:${threadTs || ""}`;
  const field = textField(options.label, options.initial ?? drafts.get(draftKey) ?? "");
  const self = { ...options, field, draftKey, files: [], sending: false };
  self.completion = createCompletion(field, (item, start) => insertAt(self, start, item.insert));
  self.fileRow = h("div", { class: "composer-files", hidden: true });
  self.also = threadTs && !onSubmit && placeName(channel) ? h("input", { type: "checkbox" }) : null;
  const className = onSubmit ? "composer composer-edit" : "composer";
  self.node = h("div", { class: className }, self.completion.box, boxed(self), alsoRow(self));
  listen(self);
  window.requestAnimationFrame(() => grow(field));
  return Object.assign(self, { focus: () => focusEnd(field) });
}

/** What a person typed, with names made references (outside code). */
function toSlackText(text) {
  return text
    .split(/(```[\s\S]*?```|`[^`\n]+`)/)
    .map((part, index) => (index % 2 ? part : withReferences(part)))
    .join("");
}

function withReferences(text) {
  const users = store.workspace.users.flatMap((u) =>
    [nameOfUser(u.id), u.name].map((n) => [n, `<@${u.id}>`]),
  );
  const channels = store.workspace.channels
    .filter((c) => c.kind !== "im")
    .map((c) => [c.name, `<#${c.id}|${c.name}>`]);
  const ranges = ["here", "channel", "everyone"].map((r) => [r, `<!${r}>`]);
  return replaceNames(replaceNames(text, "@", [...users, ...ranges]), "#", channels);
}

function replaceNames(text, sign, pairs) {
  const byName = new Map(pairs.map(([name, to]) => [name.toLowerCase(), to]));
  const names = Array.from(byName.keys())
    .filter(Boolean)
    .sort((a, b) => b.length - a.length);
  if (!names.length) return text;
  const any = names.map((n) => n.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  const pattern = new RegExp(`(^|[\\s([{"'*_~])${sign}(${any})(?![\\p{L}\\p{N}_-])`, "giu");
  return text.replace(pattern, (_all, before, name) => before + byName.get(name.toLowerCase()));
}

function textField(label, value) {
  return h("textarea", {
    class: "composer-field",
    rows: 1,
    placeholder: label,
    "aria-label": label,
    value,
    spellcheck: "true",
  });
}

function boxed(self) {
  const picker = filePicker(self);
  self.sendButton = sendButton(self);
  const hint = [
    h("kbd", null, "Enter"),
    self.onSubmit ? " to save, " : " to send, ",
    h("kbd", null, "Shift Enter"),
    " for a new line",
  ];
  const tools = [
    self.onSubmit ? null : iconButton("clip", "Attach files", () => picker.click()),
    iconButton("smile", "Insert emoji", (event) =>
      pickEmoji(event.currentTarget, (name) => insertHere(self, `:${name}: `)),
    ),
    iconButton("at", "Mention someone", () => insertHere(self, "@")),
    h("span", { class: "composer-hint" }, hint),
    self.onCancel
      ? h("button", { type: "button", class: "button small", onclick: self.onCancel }, "Cancel")
      : null,
    self.sendButton,
  ];
  return h(
    "div",
    { class: "composer-box" },
    self.field,
    self.fileRow,
    picker,
    h("div", { class: "composer-tools" }, tools),
  );
}

function filePicker(self) {
  const picker = h("input", {
    type: "file",
    multiple: true,
    hidden: true,
    "aria-hidden": "true",
    tabindex: -1,
  });
  picker.addEventListener("change", () => {
    addFiles(self, picker.files);
    picker.value = "";
  });
  return picker;
}

function sendButton(self) {
  const label = self.onSubmit ? "Save" : "Send";
  const props = {
    type: "button",
    class: "send",
    "aria-label": label,
    title: `${label} (Enter)`,
    onclick: () => send(self),
  };
  return h("button", props, self.onSubmit ? label : icon("send"));
}

function alsoRow(self) {
  if (!self.also) return null;
  return h(
    "label",
    { class: "also" },
    self.also,
    h("span", null, `Also send to ${placeName(self.channel)}`),
  );
}

function placeName(channel) {
  const found = store.workspace.channels.find((c) => c.id === channel);
  return found && found.kind !== "im" ? `#${found.name}` : null;
}

function listen(self) {
  const { field, node } = self;
  field.addEventListener("input", () => changed(self));
  field.addEventListener("click", () => self.completion.update());
  field.addEventListener("blur", () => self.completion.hide());
  field.addEventListener("keydown", (event) => onKey(self, event));
  field.addEventListener("paste", (event) => takeFiles(self, event, event.clipboardData));
  node.addEventListener("dragover", (event) => dragOver(node, event));
  node.addEventListener("dragleave", () => node.classList.remove("dropping"));
  node.addEventListener("drop", (event) => {
    node.classList.remove("dropping");
    takeFiles(self, event, event.dataTransfer);
  });
}

function changed(self) {
  if (self.draftKey) drafts.set(self.draftKey, self.field.value);
  grow(self.field);
  self.completion.update();
}

function onKey(self, event) {
  if (event.isComposing || self.completion.handle(event)) return;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    send(self);
  } else if (event.key === "ArrowUp" && !self.field.value && self.onUp) {
    if (self.onUp()) event.preventDefault();
  } else if (event.key === "Escape" && self.onCancel) {
    event.preventDefault();
    event.stopPropagation();
    self.onCancel();
  }
}

async function send(self) {
  const typed = self.field.value.trim();
  if (self.sending || (!typed && !self.files.length)) return;
  self.sending = true;
  self.sendButton.setAttribute("aria-busy", "true");
  try {
    await deliver(self, typed);
  } catch (error) {
    tell(error);
  } finally {
    self.sending = false;
    self.sendButton.removeAttribute("aria-busy");
  }
}

async function deliver(self, typed) {
  if (self.onSubmit) return self.onSubmit(toSlackText(typed));
  const command = /^(\/[\w-]+)(?:\s+([\s\S]*))?$/.exec(typed);
  if (command && !self.files.length) return slash(self, command[1], command[2] || "");
  const body = { channel: self.channel, text: toSlackText(typed), thread_ts: self.threadTs };
  if (self.files.length) body.files = await uploaded(self);
  if (self.also?.checked) body.also_to_channel = true;
  const reply = await act("post", body);
  empty(self);
  return self.onSent?.(reply);
}

async function slash(self, command, text) {
  if (self.threadTs)
    throw new Error("Slash commands do not work in threads. Mention the app instead.");
  const known = store.workspace.commands.some((c) => c.command === command);
  if (!known) throw new Error(`${command} is not a command of this workspace.`);
  empty(self);
  const reply = await tryAct("slash", { channel: self.channel, command, text: toSlackText(text) });
  if (!reply && !self.field.value) fill(self, `${command} ${text}`);
  return reply;
}

async function uploaded(self) {
  const ids = [];
  for (const entry of self.files) {
    entry.id = entry.id || (await upload(entry.file, self.channel, self.threadTs)).id;
    ids.push(entry.id);
  }
  return ids;
}

function empty(self) {
  self.files = [];
  drawFiles(self);
  if (self.also) self.also.checked = false;
  fill(self, "");
}

function fill(self, text) {
  self.field.value = text;
  if (self.draftKey) drafts.set(self.draftKey, text);
  self.completion.hide();
  grow(self.field);
}

function insertHere(self, text) {
  const { selectionStart: start, selectionEnd: end, value } = self.field;
  const gap = start && !/\s$/.test(value.slice(0, start)) ? " " : "";
  self.field.setRangeText(gap + text, start, end, "end");
  self.field.focus();
  changed(self);
}

function insertAt(self, start, text) {
  const end = self.field.selectionStart;
  self.field.setRangeText(text, start, end, "end");
  self.field.focus();
  changed(self);
}

function addFiles(self, files) {
  self.files = [...self.files, ...Array.from(files).map((file) => ({ file }))];
  drawFiles(self);
  self.field.focus();
}

function takeFiles(self, event, transfer) {
  if (!transfer?.files.length || self.onSubmit) return;
  event.preventDefault();
  addFiles(self, transfer.files);
}

function dragOver(node, event) {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  node.classList.add("dropping");
}

function drawFiles(self) {
  self.fileRow.hidden = !self.files.length;
  self.fileRow.replaceChildren(
    ...self.files.map((entry) =>
      h(
        "span",
        { class: "file-chip" },
        icon("file"),
        h("span", { class: "file-name" }, entry.file.name),
        h("small", null, sizeWords(entry.file.size)),
        iconButton("close", `Remove ${entry.file.name}`, () => {
          self.files = self.files.filter((e) => e !== entry);
          drawFiles(self);
        }),
      ),
    ),
  );
}

function grow(field) {
  field.style.height = "auto";
  field.style.height = `${Math.min(TALLEST_PX, field.scrollHeight)}px`;
}

function focusEnd(field) {
  field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
}
