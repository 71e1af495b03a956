// Code as people like to read it: a block with its language, a copy button and a light tint.
// The tint is a lexer of a few lines that works for most languages; it never changes the text.

import { h, icon } from "./dom.js";

const LONGEST_TINTED = 20000;
const KEYWORDS = new Set(
  (
    "abstract and as assert async await bool break case catch class const continue def default del do echo elif else " +
    "elseif end enum except export extends false False finally fn for from func function global if impl import in " +
    "instanceof int interface is lambda let local match mod new nil None nonlocal not null or package pass pub public " +
    "private raise return select self SELECT FROM WHERE JOIN ON GROUP ORDER BY INSERT UPDATE DELETE INTO VALUES LIMIT " +
    "static str string struct super switch then this throw true True try type typeof undefined use var void while with yield fi done esac"
  ).split(" "),
);
const TOKEN =
  /(\/\*[\s\S]*?\*\/|\/\/[^\n]*|#(?![0-9a-fA-F]{3,8}\b)[^\n]*|--[ \t][^\n]*)|("""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|(\b\d[\w.]*\b)|([A-Za-z_$][\w$]*)(?=(\s*\()?)/g;
const PLAIN = new Set(["text", "txt", "plain", "md", "markdown", "log", "csv"]);

export function codeBlock(text, language) {
  const code = h("code", null, tinted(text, language.toLowerCase()));
  return h(
    "div",
    { class: language ? "code-block" : "code-block code-plain" },
    h("div", { class: "code-head" }, h("span", { class: "code-lang" }, language), copyButton(code)),
    h("pre", { tabindex: "0" }, code),
  );
}

// The button reads the text from its block, so a patched block copies what it shows.
function copyButton() {
  return h(
    "button",
    { type: "button", class: "copy-button", "aria-label": "Copy code", data: { copy: "code" } },
    icon("copy"),
    h("span", null, "Copy"),
  );
}

/** One listener for every copy button on the page. */
export function listenForCopies() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy=code]");
    if (!button) return;
    const label = button.querySelector("span");
    const worked = await copy(button.closest(".code-block").querySelector("code").textContent);
    label.textContent = worked ? "Copied" : "Not allowed";
    window.setTimeout(() => (label.textContent = "Copy"), 1500);
  });
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function tinted(text, language) {
  if (!language || text.length > LONGEST_TINTED || PLAIN.has(language)) return [text];
  const out = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const kind = kindOf(match, language);
    if (!kind) continue;
    if (match.index > end) out.push(text.slice(end, match.index));
    out.push(h("span", { class: `t-${kind}` }, match[0]));
    end = match.index + match[0].length;
  }
  out.push(text.slice(end));
  return out;
}

function kindOf([, comment, string, number, word, call], language) {
  if (comment) return isComment(comment, language) ? "comment" : null;
  if (string) return "string";
  if (number) return "number";
  if (KEYWORDS.has(word)) return "keyword";
  return call && word ? "call" : null;
}

function isComment(text, language) {
  if (text.startsWith("--")) return language === "sql" || language === "lua";
  if (text.startsWith("#"))
    return !["js", "javascript", "ts", "typescript", "css", "json", "sql", "c", "java"].includes(
      language,
    );
  return !["py", "python", "bash", "sh", "yaml", "yml", "toml"].includes(language);
}
