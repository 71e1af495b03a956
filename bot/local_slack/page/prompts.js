// Suggested prompts of the app, shown above the composer of a quiet conversation.

import { h } from "./dom.js";
import { plain } from "./mrkdwn.js";

// Prompts help to begin; once the conversation is running they step aside.
const QUIET_MESSAGES = 2;

export function promptCards(suggested, messages, send) {
  if (!suggested?.prompts?.length || messages.length > QUIET_MESSAGES) return [];
  const cards = suggested.prompts.map((prompt) => promptCard(prompt, send));
  const title = h("div", { class: "prompts-title" }, plain(suggested.title || "Try one of these"));
  return [
    h(
      "section",
      { class: "prompts", "aria-label": "Suggested prompts" },
      title,
      h("div", { class: "prompt-cards" }, cards),
    ),
  ];
}

function promptCard(prompt, send) {
  return h(
    "button",
    { type: "button", class: "prompt", onclick: () => send(prompt.message) },
    h("b", null, plain(prompt.title || prompt.message)),
    prompt.title && prompt.message !== prompt.title ? h("span", null, plain(prompt.message)) : null,
  );
}
