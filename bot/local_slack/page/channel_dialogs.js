// The small dialogs about channels: create, rename, archive.

import { tryAct } from "./api.js";
import { h } from "./dom.js";
import { confirmed, dialog } from "./popover.js";

/** Ask for a new channel and create it; gives its id, or null. */
export async function askForChannel() {
  const name = h("input", {
    class: "field",
    id: "new-channel",
    maxlength: 80,
    placeholder: "e.g. data-questions",
    autofocus: true,
    autocomplete: "off",
  });
  const hidden = h("input", { type: "checkbox" });
  const make = async (close) => {
    const slug = name.value.trim().toLowerCase().replace(/^#/, "").replace(/\s+/g, "-");
    if (!slug) return name.focus();
    const reply = await tryAct("create_channel", { name: slug, private: hidden.checked });
    return reply && close(reply.channel);
  };
  const shown = dialog({
    title: "Create a channel",
    body: newChannelFields(name, hidden),
    className: "dialog-small",
    footer: (close) => primary("Create", () => make(close)),
  });
  name.addEventListener("keydown", (event) => event.key === "Enter" && make(shown.close));
  return shown.done;
}

export async function renameChannel(channel) {
  const input = h("input", {
    class: "field",
    value: channel.name,
    "aria-label": "New name",
    maxlength: 80,
    autofocus: true,
  });
  const shown = dialog({
    title: "Rename channel",
    body: input,
    className: "dialog-small",
    footer: (close) => primary("Rename", () => close(input.value.trim())),
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") shown.close(input.value.trim());
  });
  const name = await shown.done;
  if (name && name !== channel.name) await tryAct("rename", { channel: channel.id, name });
}

export async function archiveChannel(channel) {
  const sure = await confirmed({
    title: { text: `Archive #${channel.name}?` },
    text: { text: "Nobody can write there afterwards. Tasks that run in it end." },
    confirm: { text: "Archive" },
    style: "danger",
  });
  if (sure) await tryAct("archive", { channel: channel.id });
}

function newChannelFields(name, hidden) {
  const note = h("small", null, "Only people who are added can see it.");
  return [
    h("label", { class: "input-label", for: name.id }, "Name"),
    name,
    h("div", { class: "input-hint" }, "A channel is an agent: name it after what it should do."),
    h("label", { class: "choice" }, hidden, h("span", null, "Private", note)),
  ];
}

function primary(label, onclick) {
  return h("button", { type: "button", class: "button primary", onclick }, label);
}
