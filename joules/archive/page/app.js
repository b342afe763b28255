"use strict";
// Which view an address shows.

let hasOpened = false;

function show(title, ...content) {
  hideTip();
  MAIN.replaceChildren(make("h2", { tabindex: "-1" }, title), ...content.flat(2).filter((part) => part !== null && part !== undefined));
  document.title = `${title} · ${META.title}`;
  // Whoever opens the page begins at its top; whoever follows a link, at what it leads to.
  if (hasOpened) MAIN.querySelector("h2").focus({ preventScroll: true });
  hasOpened = true;
  window.scrollTo(0, 0);
}

const showMissing = (what) => show("Not here", make("p", {}, `This campaign has no ${what}.`));

const ROUTES = {
  "": showOverview,
  figures: showOverview,
  figure: showFigure,
  statistic: showStatistic,
  arm: showArm,
  run: showRun,
  claims: showClaims,
  claim: showClaim,
  values: showValues,
  value: showValue,
  table: showTable,
  tables: showTables,
  files: showTables,
  search: showSearch,
};

async function route() {
  const [name, ...rest] = readAddress().path;
  if (name === "main") return;
  try {
    await (ROUTES[name] ?? (() => showMissing(`part called ${name}`)))(...rest);
  } catch (fault) {
    show("This cannot be shown", make("p", {}, String(fault.message ?? fault)));
  }
}

document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = `#search/${encodeURIComponent(document.getElementById("query").value)}`;
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  MAIN.focus();
});
window.addEventListener("hashchange", route);
// Hashing waits until the first view is drawn.
route().then(() => setTimeout(prove, 50));
