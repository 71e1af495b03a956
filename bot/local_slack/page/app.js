// Where the page starts: reads the workspace, opens the live line, shows what the address names.

import { rememberPerson, rememberedPerson, tell } from "./api.js";
import { leaveChannel, listenToChannels, showChannel } from "./channel_view.js";
import { listenForCopies } from "./code.js";
import { h } from "./dom.js";
import { leaveHome, listenToHome, showHome } from "./home_view.js";
import { startInspector } from "./inspector.js";
import { reconnectNow, restartLive, startLive } from "./live.js";
import { forgetRead, loadWorkspace, reloadAll, startOver } from "./loading.js";
import { listenToModals } from "./modals.js";
import { adoptRoute, goNowhere, goToChannel } from "./router.js";
import { listenForHelp } from "./shortcuts.js";
import { startSidebar } from "./sidebar.js";
import * as state from "./state.js";
import { listenForSwitcher } from "./switcher.js";
import { hideThread, listenToThreads, showThread } from "./thread_view.js";
import { startToasts } from "./toasts.js";

const FIRST_TRY_AGAIN_MS = 1000;

const part = (id) => document.getElementById(id);

async function start() {
  startToasts(part("toasts"), part("announcer"));
  startSidebar(part("sidebar"), changePerson);
  listenToChannels();
  listenToThreads();
  listenToHome();
  listenToModals();
  listenForCopies();
  listenForSwitcher();
  listenForHelp();
  state.on("connection", showBanner);
  state.on("route", showRoute);
  state.on("workspace", showTitle);
  await firstLoad();
  rememberPerson(state.me());
  window.addEventListener("hashchange", adoptRoute);
  startInspector(part("inspector"));
  startLive(reloadAll);
  adoptRoute();
}

// The page may be open before the server is: keep asking until it answers.
async function firstLoad() {
  for (;;) {
    try {
      return await loadWorkspace();
    } catch (error) {
      if (error.code === "user_not_found" && rememberedPerson()) startOver();
      showBanner("lost");
      await new Promise((resolve) => window.setTimeout(resolve, FIRST_TRY_AGAIN_MS));
    }
  }
}

function beginSomewhere() {
  const { channels } = state.store.workspace;
  const mine = channels.filter((c) => c.is_member && !c.is_archived && c.kind !== "im");
  const first = mine.find((c) => c.name === "general") || mine[0] || channels[0];
  if (first) goToChannel(first.id);
}

async function showRoute() {
  const { route } = state.store;
  const shell = part("shell");
  shell.classList.toggle("thread-open", Boolean(route.thread));
  if (route.kind === "none") return beginSomewhere();
  if (route.kind === "home") {
    leaveChannel();
    hideThread(part("thread"));
    await showHome(part("main"));
  } else if (route.kind === "channel") {
    leaveHome();
    if (!route.thread) hideThread(part("thread"));
    const main = showChannel(part("main"), route.channel);
    if (route.thread && state.channel(route.channel))
      await showThread(part("thread"), route.channel, route.thread);
    await main;
  }
  return showTitle();
}

async function changePerson(id) {
  try {
    state.store.workspace.me = id;
    state.forgetPerson();
    forgetRead();
    leaveChannel();
    leaveHome();
    hideThread(part("thread"));
    restartLive();
    await loadWorkspace();
    part("main").replaceChildren();
    const { route } = state.store;
    if (route.kind === "channel" && !state.channel(route.channel)) goNowhere();
    else adoptRoute();
  } catch (error) {
    tell(error);
  }
}

function showTitle() {
  const { workspace, route } = state.store;
  if (!workspace) return;
  const waiting = workspace.channels.reduce(
    (sum, c) => sum + (c.mentions || (c.kind === "im" ? c.unread : 0) || 0),
    0,
  );
  const place =
    route.kind === "channel" ? state.nameOfChannel(route.channel) : `${state.appName()} Home`;
  document.title = `${waiting ? `(${waiting}) ` : ""}${place} · ${workspace.workspace.name}`;
}

function showBanner(connection) {
  const banner = part("banner");
  const lost = connection === "lost";
  banner.hidden = !lost;
  if (!lost) return banner.replaceChildren();
  const again = h(
    "button",
    { type: "button", class: "link-button", onclick: reconnectNow },
    "Try now",
  );
  return banner.replaceChildren(
    "The workspace server cannot be reached. Reconnecting… ",
    state.store.workspace ? again : "",
  );
}

start().catch(tell);
