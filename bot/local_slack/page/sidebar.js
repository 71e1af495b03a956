// The sidebar: the workspace, the app's Home, channels, direct messages, and who is acting.

import { act, rememberPerson, tell, tryAct } from "./api.js";
import { clear, h, icon, iconButton, rovingFocus } from "./dom.js";
import { askForChannel } from "./channel_dialogs.js";
import { toggleInspector } from "./inspector.js";
import { loadWorkspace } from "./loading.js";
import { avatarOfUser, channelSign, presence } from "./people.js";
import { menu } from "./popover.js";
import { goHome, goToChannel } from "./router.js";
import * as state from "./state.js";

const THEME_ICONS = { auto: "contrast", light: "sun", dark: "moon" };
const THEME_WORDS = { auto: "as the system", light: "light", dark: "dark" };

let onPersonChange = () => {};
let archivedOpen = false;

/** Draw the sidebar and keep it up to date; `changePerson` is called after another person was chosen. */
export function startSidebar(node, changePerson) {
  onPersonChange = changePerson;
  rovingFocus(node, ".side-item");
  const draw = () => drawSidebar(node);
  for (const topic of ["workspace", "route", "connection", "connected"]) state.on(topic, draw);
  document.addEventListener("pointerdown", (event) => {
    if (!node.contains(event.target) && !event.target.closest?.(".popover, dialog")) closeSidebar();
  });
  node.addEventListener("keydown", (event) => event.key === "Escape" && closeSidebar());
}

export function toggleSidebar() {
  const open = document.getElementById("shell").classList.toggle("sidebar-open");
  if (open)
    document.querySelector("#sidebar .side-item[aria-current], #sidebar .side-item")?.focus();
}

function closeSidebar() {
  document.getElementById("shell").classList.remove("sidebar-open");
}

function drawSidebar(node) {
  const { workspace } = state.store;
  if (!workspace) return;
  const focused = node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const top = node.querySelector(".side-lists")?.scrollTop || 0;
  clear(node).append(
    headNode(workspace),
    h("div", { class: "side-lists" }, appPart(), channelsPart(), directPart()),
    footNode(),
  );
  node.querySelector(".side-lists").scrollTop = top;
  const items = Array.from(node.querySelectorAll(".side-item"));
  const current = items.find((i) => i.getAttribute("aria-current")) || items[0];
  for (const item of items) item.tabIndex = item === current ? 0 : -1;
  if (focused) node.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function headNode(workspace) {
  const words = {
    open: state.store.connectedBots ? `${state.appName()} is connected` : "No bot is connected",
    lost: "The server is gone",
    connecting: "Connecting…",
  }[state.store.connection];
  const kind =
    state.store.connection === "open" ? (state.store.connectedBots ? "good" : "idle") : "bad";
  return h(
    "header",
    { class: "side-head" },
    h("img", { src: "/page/mark.svg", alt: "", class: "side-mark" }),
    h(
      "div",
      { class: "side-name" },
      h("b", { title: workspace.workspace.name }, workspace.workspace.name),
      h("span", { class: `link-state ${kind}` }, h("i"), words),
    ),
    iconButton("close", "Close the sidebar", closeSidebar, { class: "icon-button only-narrow" }),
  );
}

function appPart() {
  const app = state.app();
  const dm = state.store.workspace.channels.find(
    (c) => c.kind === "im" && c.user === app?.bot_user_id,
  );
  return part(state.appName(), null, [
    item({
      key: "home",
      label: "Home",
      lead: icon("home"),
      current: state.store.route.kind === "home",
      run: goHome,
    }),
    item({
      key: "dm-app",
      label: "Messages",
      lead: icon("reply"),
      current: isOpen(dm),
      channel: dm,
      run: () => openApp(dm),
    }),
  ]);
}

function channelsPart() {
  const all = state.store.workspace.channels.filter(
    (c) => c.kind === "channel" || c.kind === "private",
  );
  const live = all.filter((c) => !c.is_archived).sort((a, b) => a.name.localeCompare(b.name));
  const old = all.filter((c) => c.is_archived);
  const add = iconButton("plus", "Create a channel", createChannel);
  const archived =
    old.length > 0 &&
    h(
      "details",
      {
        class: "side-archived",
        open: archivedOpen,
        ontoggle: (event) => (archivedOpen = event.target.open),
      },
      h("summary", null, `Archived (${old.length})`),
      old.map(channelItem),
    );
  return part("Channels", add, [...live.map(channelItem), archived]);
}

function channelItem(channel) {
  return item({
    key: channel.id,
    label: channel.name,
    lead: channelSign(channel),
    current: isOpen(channel),
    channel,
    faded: !channel.is_member || channel.is_archived,
    run: () => goToChannel(channel.id),
  });
}

function directPart() {
  const { users, channels } = state.store.workspace;
  const bot = state.app()?.bot_user_id;
  const people = users.filter((u) => u.id !== state.me() && u.id !== bot);
  const rows = people.map((person) => {
    const dm = channels.find((c) => c.kind === "im" && c.user === person.id);
    const lead = h(
      "span",
      { class: "side-face" },
      avatarOfUser(person.id, "avatar-tiny"),
      presence(person),
    );
    const run = () => (dm ? goToChannel(dm.id) : openDm(person.id));
    return item({
      key: person.id,
      label: state.nameOfUser(person.id),
      lead,
      current: isOpen(dm),
      channel: dm,
      run,
    });
  });
  const groups = channels.filter((c) => c.kind === "mpim").map(channelItem);
  return part("Direct messages", null, [...rows, ...groups]);
}

function part(title, action, rows) {
  return h(
    "section",
    { class: "side-part", "aria-label": title },
    h("div", { class: "side-title" }, h("h2", null, title), action),
    rows,
  );
}

const NOTHING_UNREAD = { unread: 0, mentions: 0 };

function item({ key, label, lead, current, channel, faded, run }) {
  const { unread, mentions, kind } = channel || NOTHING_UNREAD;
  const badge = kind === "im" ? unread : mentions;
  return h(
    "button",
    {
      type: "button",
      class: ["side-item", unread && "unread", faded && "faded"].filter(Boolean).join(" "),
      data: { key },
      "aria-current": current ? "page" : null,
      "aria-label": unread ? `${label}, ${unread} unread` : label,
      title: label,
      onclick: () => {
        closeSidebar();
        run();
      },
    },
    h("span", { class: "side-lead" }, lead),
    h("span", { class: "side-label" }, label),
    badge ? h("span", { class: "badge" }, badge > 99 ? "99+" : badge) : null,
  );
}

function isOpen(channel) {
  const { route } = state.store;
  return Boolean(channel && route.kind === "channel" && route.channel === channel.id);
}

async function openApp(dm) {
  const bot = state.app()?.bot_user_id;
  if (dm) goToChannel(dm.id);
  else await openDm(bot);
  await act("open_messages_tab").catch(tell);
}

export async function openDm(user) {
  const reply = await tryAct("open_dm", { user });
  if (!reply) return;
  const id = reply.channel.id || reply.channel;
  if (!state.channel(id)) await loadWorkspace();
  goToChannel(id);
}

async function createChannel() {
  const id = await askForChannel();
  if (!id) return;
  if (!state.channel(id)) await loadWorkspace();
  goToChannel(id);
}

function footNode() {
  const mine = state.me();
  const choice = window.treadleTheme.chosen();
  const theme = iconButton(
    THEME_ICONS[choice],
    `Theme: ${THEME_WORDS[choice]}`,
    () => {
      window.treadleTheme.next();
      state.emit("workspace");
    },
    { data: { key: "theme" } },
  );
  const switcher = h(
    "button",
    {
      type: "button",
      class: "person",
      data: { key: "person" },
      "aria-haspopup": "menu",
      "aria-label": `Acting as ${state.nameOfUser(mine)}. Change person`,
      onclick: () => personMenu(switcher),
    },
    avatarOfUser(mine, "avatar-small"),
    h(
      "span",
      { class: "person-name" },
      h("small", null, "Acting as"),
      h("b", null, state.nameOfUser(mine)),
    ),
  );
  const inspect = iconButton("pulse", "Inspector", toggleInspector, { data: { key: "inspect" } });
  return h("footer", { class: "side-foot" }, switcher, theme, inspect);
}

function personMenu(anchor) {
  const people = state.store.workspace.users.filter((u) => !u.is_bot);
  menu(
    anchor,
    people.map((person) => ({
      label: state.nameOfUser(person.id),
      note: person.is_restricted ? "guest" : person.name,
      lead: avatarOfUser(person.id, "avatar-tiny"),
      checked: person.id === state.me(),
      run: () => {
        rememberPerson(person.id);
        onPersonChange(person.id);
      },
    })),
    "Act as",
  );
}
