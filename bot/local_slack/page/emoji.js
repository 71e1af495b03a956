// Emoji by Slack's names: the table, the search, and the picker.

import { h } from "./dom.js";
import { popover } from "./popover.js";

// name (aliases after a slash) and character; words for the search come from the names.
const GROUPS = {
  "Often used": `+1/thumbsup 👍|-1/thumbsdown 👎|white_check_mark ✅|x ❌|octagonal_sign 🛑|eyes 👀|tada 🎉|heart ❤️|one 1️⃣|two 2️⃣|three 3️⃣|four 4️⃣|five 5️⃣|raised_hands 🙌|pray 🙏|clap 👏`,
  Faces: `smile 😄|slightly_smiling_face 🙂|grin 😁|joy 😂|rofl 🤣|wink 😉|blush 😊|heart_eyes 😍|sunglasses 😎|thinking_face/thinking 🤔|neutral_face 😐|expressionless 😑|face_with_rolling_eyes 🙄|smirk 😏|sweat_smile 😅|sob 😭|cry 😢|disappointed 😞|confused 😕|worried 😟|scream 😱|exploding_head 🤯|flushed 😳|sleeping 😴|yawning_face 🥱|partying_face 🥳|nerd_face 🤓|face_with_monocle 🧐|zipper_mouth_face 🤐|robot_face/robot 🤖|ghost 👻|melting_face 🫠|saluting_face 🫡`,
  People: `wave 👋|ok_hand 👌|muscle 💪|point_up ☝️|point_right 👉|point_left 👈|point_down 👇|hand/raised_hand ✋|v ✌️|crossed_fingers 🤞|handshake 🤝|writing_hand ✍️|brain 🧠|bust_in_silhouette 👤|busts_in_silhouette 👥|technologist 🧑‍💻|detective 🕵️|shrug 🤷|facepalm 🤦`,
  Work: `memo 📝|pencil2 ✏️|clipboard 📋|calendar 📅|date 📆|chart_with_upwards_trend 📈|chart_with_downwards_trend 📉|bar_chart 📊|mag 🔍|link 🔗|paperclip 📎|pushpin 📌|bookmark 🔖|books 📚|book 📖|page_facing_up 📄|file_folder 📁|inbox_tray 📥|outbox_tray 📤|package 📦|email 📧|envelope ✉️|speech_balloon 💬|thought_balloon 💭|bell 🔔|mute 🔇|loudspeaker 📢|mega 📣|computer 💻|gear ⚙️|wrench 🔧|hammer 🔨|hammer_and_wrench 🛠️|test_tube 🧪|microscope 🔬|bulb 💡|key 🔑|lock 🔒|unlock 🔓|shield 🛡️|bug 🐛|label 🏷️|wastebasket 🗑️|moneybag 💰|satellite_antenna 📡|globe_with_meridians 🌐|compass 🧭|world_map 🗺️`,
  Signs: `heavy_check_mark ✔️|ballot_box_with_check ☑️|warning ⚠️|no_entry ⛔|no_entry_sign 🚫|question ❓|exclamation ❗|bangbang ‼️|information_source ℹ️|100 💯|red_circle 🔴|large_orange_circle 🟠|large_yellow_circle 🟡|large_green_circle 🟢|large_blue_circle 🔵|white_circle ⚪|black_circle ⚫|arrow_right ➡️|arrow_left ⬅️|arrow_up ⬆️|arrow_down ⬇️|arrows_counterclockwise 🔄|repeat 🔁|heavy_plus_sign ➕|heavy_minus_sign ➖|hourglass_flowing_sand ⏳|hourglass ⌛|stopwatch ⏱️|alarm_clock ⏰|zap ⚡|fire 🔥|boom 💥|sparkles ✨|star ⭐|star2 🌟|six 6️⃣|seven 7️⃣|eight 8️⃣|nine 9️⃣|zero 0️⃣|keycap_ten 🔟|checkered_flag 🏁|triangular_flag_on_post 🚩|double_vertical_bar ⏸️|black_square_for_stop ⏹️|arrow_forward ▶️|new 🆕|ok 🆗|sos 🆘`,
  Things: `rocket 🚀|trophy 🏆|first_place_medal 🥇|gift 🎁|balloon 🎈|coffee ☕|tea 🍵|pizza 🍕|beer 🍺|cake 🍰|apple 🍎|seedling 🌱|evergreen_tree 🌲|four_leaf_clover 🍀|sunny ☀️|cloud ☁️|rainbow 🌈|snowflake ❄️|ocean 🌊|crescent_moon 🌙|dog 🐶|cat 🐱|fox_face 🦊|owl 🦉|bee 🐝|turtle 🐢|octopus 🐙|whale 🐳|unicorn_face 🦄|crystal_ball 🔮|thread 🧵|yarn 🧶|art 🎨|musical_note 🎵|green_heart 💚|blue_heart 💙|purple_heart 💜|yellow_heart 💛|orange_heart 🧡|broken_heart 💔`,
};

const TONES = ["🏻", "🏼", "🏽", "🏾", "🏿"];

const groups = Object.entries(GROUPS).map(([title, text]) => ({ title, emoji: parseGroup(text) }));
const byName = new Map(
  groups.flatMap((g) => g.emoji.flatMap((e) => e.names.map((n) => [n, e.char]))),
);

/** The character for a name like `+1` or `+1::skin-tone-3`; null when the name is unknown. */
export function emojiChar(name) {
  const [base, tone] = String(name).split("::");
  const char = byName.get(base);
  if (!char) return null;
  const index = tone ? Number(tone.replace("skin-tone-", "")) - 2 : -1;
  return TONES[index] ? char.replace("\uFE0F", "") + TONES[index] : char;
}

/** An emoji as an element; an unknown name stays readable as `:name:`. */
export function emojiNode(name, { big = false } = {}) {
  const char = emojiChar(name);
  if (!char) return document.createTextNode(`:${name}:`);
  const label = `:${name}:`;
  return h(
    "span",
    { class: big ? "emoji emoji-big" : "emoji", role: "img", "aria-label": label, title: label },
    char,
  );
}

export function searchEmoji(query, limit = 60) {
  const wanted = query.toLowerCase().replace(/^:/, "");
  const found = [];
  for (const entry of groups.flatMap((g) => g.emoji)) {
    const place = Math.min(...entry.names.map((n) => rank(n, wanted)));
    if (place < 9) found.push({ place, name: entry.names[0], char: entry.char });
  }
  return found.sort((a, b) => a.place - b.place).slice(0, limit);
}

/** Replace `:name:` by characters in plain text (button labels, options). */
export function withEmoji(text) {
  return String(text ?? "").replace(
    /:([a-z0-9_+-]+(?:::skin-tone-[2-6])?):/g,
    (all, name) => emojiChar(name) || all,
  );
}

/** Let the person choose one emoji beside `anchor`. */
export function pickEmoji(anchor, onPick) {
  const grid = h("div", { class: "emoji-grid" });
  const input = h("input", {
    type: "search",
    class: "field",
    placeholder: "Find an emoji",
    "aria-label": "Find an emoji",
    autocomplete: "off",
  });
  const panel = h("div", { class: "emoji-picker" }, input, grid);
  const pop = popover(anchor, panel, { label: "Emoji" });
  const choose = (name) => {
    pop.close();
    onPick(name);
  };
  input.addEventListener("input", () => fill(grid, input.value, choose));
  panel.addEventListener("keydown", (event) => moveInGrid(event, input, grid));
  fill(grid, "", choose);
  input.focus();
}

function fill(grid, query, choose) {
  const sections = query
    ? [{ title: "", emoji: searchEmoji(query, 90).map((e) => ({ names: [e.name], char: e.char })) }]
    : groups;
  grid.replaceChildren(...sections.flatMap((section) => sectionNodes(section, choose)));
  if (query && !sections[0].emoji.length)
    grid.append(h("p", { class: "empty-note" }, "No emoji of that name."));
}

function sectionNodes(section, choose) {
  const cells = section.emoji.map(({ names: [name], char }) =>
    h(
      "button",
      {
        type: "button",
        class: "emoji-cell",
        title: `:${name}:`,
        "aria-label": name.replaceAll("_", " "),
        data: { emoji: name },
        onclick: () => choose(name),
      },
      char,
    ),
  );
  const title = section.title ? h("div", { class: "emoji-title" }, section.title) : null;
  return [title, h("div", { class: "emoji-cells" }, cells)].filter(Boolean);
}

function moveInGrid(event, input, grid) {
  const cells = Array.from(grid.querySelectorAll(".emoji-cell"));
  const at = cells.indexOf(document.activeElement);
  if (event.key === "Enter" && document.activeElement === input && cells.length) {
    event.preventDefault();
    cells[0].click();
    return;
  }
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 }[event.key];
  if (!step || (at < 0 && event.key !== "ArrowDown")) return;
  event.preventDefault();
  if (at + step < 0) input.focus();
  else cells[at < 0 ? 0 : Math.min(cells.length - 1, at + step)]?.focus();
}

function rank(name, wanted) {
  if (name === wanted) return 0;
  if (name.startsWith(wanted)) return 1;
  if (name.split("_").some((word) => word.startsWith(wanted))) return 2;
  return name.includes(wanted) ? 3 : 9;
}

function parseGroup(text) {
  return text.split("|").map((item) => {
    const [names, char] = item.split(" ");
    return { names: names.split("/"), char };
  });
}
