// Puts the chosen theme on <html> before the first paint, so that dark never flashes light.
// A classic script on purpose: modules run too late for that.
(() => {
  const KEY = "treadle.theme";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    return window.localStorage.getItem(KEY) || "auto";
  }

  function apply() {
    const choice = chosen();
    const theme = choice === "auto" ? (dark.matches ? "dark" : "light") : choice;
    document.documentElement.dataset.theme = theme;
    document.documentElement.dataset.themeChoice = choice;
  }

  function next() {
    const order = { auto: "light", light: "dark", dark: "auto" };
    window.localStorage.setItem(KEY, order[chosen()] || "auto");
    apply();
    return chosen();
  }

  dark.addEventListener("change", apply);
  apply();
  window.treadleTheme = { chosen, next };
})();
