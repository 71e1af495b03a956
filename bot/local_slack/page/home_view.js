// The app's Home tab: a view the app publishes for the acting person.

import { act, tell, tryAct } from "./api.js";
import { renderBlocks } from "./blocks.js";
import { clear, h, icon, iconButton } from "./dom.js";
import { readState } from "./elements.js";
import { toggleSidebar } from "./sidebar.js";
import * as state from "./state.js";

let node = null;
let holder = null;

export async function showHome(main) {
  if (node && main.contains(node)) return;
  holder = h("div", { class: "blocks home-blocks" });
  const name = state.appName();
  node = h(
    "div",
    { class: "channel-view" },
    h(
      "header",
      { class: "main-head" },
      iconButton("menu", "Show the sidebar", toggleSidebar, { class: "icon-button only-narrow" }),
      h("div", { class: "main-title" }, icon("home"), h("h1", null, `${name} Home`)),
    ),
    h(
      "div",
      { class: "home-scroll", tabindex: 0, role: "region", "aria-label": `${name} Home` },
      holder,
    ),
  );
  clear(main).append(node);
  draw();
  await act("open_home").catch(tell);
}

export function leaveHome() {
  node = null;
}

export function listenToHome() {
  state.on("home", () => node && draw());
}

function draw() {
  const view = state.store.home;
  if (!view?.blocks?.length) {
    clear(holder).append(emptyHome());
    return;
  }
  if (holder.querySelector(".empty")) clear(holder);
  renderBlocks(holder, view.blocks, {
    channel: null,
    viewId: view.id,
    dispatch: (block, element, value) =>
      tryAct("block_action", {
        view_id: state.store.home.id,
        block_id: block.block_id,
        action_id: element.action_id,
        value,
        state_values: readState(holder),
      }),
  });
}

function emptyHome() {
  const connected = state.store.connectedBots > 0;
  return h(
    "div",
    { class: "empty" },
    h("img", { src: "/page/mark.svg", alt: "", class: "empty-mark" }),
    h("h2", null, connected ? "The app has not published its Home yet" : "No bot is connected"),
    h(
      "p",
      null,
      connected
        ? "It appears here as soon as it does."
        : "Start the bot, and its Home appears here.",
    ),
  );
}
