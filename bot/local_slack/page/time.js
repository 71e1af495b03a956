// Turns Slack's `ts` strings and moments into words people read.

const DAY_MS = 24 * 60 * 60 * 1000;

function dateOf(ts) {
  return new Date(Number(String(ts).split(".")[0]) * 1000);
}

export function clock(ts) {
  return dateOf(ts).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

export function fullTime(ts) {
  return dateOf(ts).toLocaleString([], { dateStyle: "full", timeStyle: "medium" });
}

export function dayKey(ts) {
  const date = dateOf(ts);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

export function dayName(ts) {
  const date = dateOf(ts);
  const today = new Date();
  if (date.toDateString() === today.toDateString()) return "Today";
  if (date.toDateString() === new Date(today - DAY_MS).toDateString()) return "Yesterday";
  const sameYear = date.getFullYear() === today.getFullYear();
  const year = sameYear ? undefined : "numeric";
  return date.toLocaleDateString([], { weekday: "long", month: "long", day: "numeric", year });
}

export function ago(ts) {
  const seconds = Math.max(0, (Date.now() - dateOf(ts).getTime()) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

/** Slack's `<!date^…>` tokens, with the ones people use. */
export function dateFormat(unix, pattern) {
  const date = new Date(Number(unix) * 1000);
  if (Number.isNaN(date.getTime())) return null;
  const day = (options) => date.toLocaleDateString([], options);
  const tokens = {
    "{date_num}": date.toISOString().slice(0, 10),
    "{date_short}": day({ month: "short", day: "numeric", year: "numeric" }),
    "{date_long}": day({ weekday: "long", month: "long", day: "numeric", year: "numeric" }),
    "{date}": day({ month: "long", day: "numeric", year: "numeric" }),
    "{time_secs}": date.toLocaleTimeString(),
    "{time}": date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }),
    "{ago}": ago(unix),
    "{day_divider_pretty}": day({ weekday: "long", month: "long", day: "numeric" }),
  };
  return String(pattern).replace(/\{(\w+?)(?:_pretty)?\}/g, (match, name) => {
    return tokens[`{${name}}`] ?? tokens[match] ?? match;
  });
}
