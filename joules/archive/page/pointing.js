"use strict";
// Marks of a chart by mouse, touch and keyboard: what they say, and where they lead.

const TIP = document.getElementById("tip");
// Pixels between a pointer and the mark that it means.
const REACH = { mouse: 12, pen: 16, touch: 28 };

function hideTip() {
  TIP.hidden = true;
  document.querySelector(".ring")?.remove();
}

function showTip(place, mark, lead, isPinned) {
  hideTip();
  const rows = mark.tips.filter((name) => ![undefined, null, ""].includes(mark.row[name])).map((name) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, printed(mark.row[name]))));
  const goes = lead && make("p", {}, isPinned ? make("a", { href: lead }, "open") : "click or Enter opens it");
  TIP.replaceChildren(make("table", {}, make("tbody", {}, rows)), ...(goes ? [goes] : []));
  TIP.hidden = false;
  const [x, y] = mark.at;
  place.querySelector("svg").append(svg("circle", { class: "ring", cx: x, cy: y, r: 7, fill: "none", stroke: "var(--accent)", "stroke-width": 2 }));
  const box = place.getBoundingClientRect();
  const left = Math.min(box.left + x + 14, document.documentElement.clientWidth - TIP.offsetWidth - 8);
  const isBelow = box.top + y + 14 + TIP.offsetHeight < innerHeight;
  TIP.style.left = `${Math.max(8, left) + scrollX}px`;
  TIP.style.top = `${Math.max(4, isBelow ? box.top + y + 14 : box.top + y - TIP.offsetHeight - 14) + scrollY}px`;
}

// The mark that a pointer means: the one that it is on, or the nearest.
function markAt(place, marks, event) {
  const on = marks.find((mark) => mark.element === event.target);
  if (on) return on;
  const box = place.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left + place.scrollLeft, event.clientY - box.top];
  const far = (mark) => Math.hypot(mark.at[0] - x, mark.at[1] - y);
  const nearest = marks.reduce((best, mark) => (!best || far(mark) < far(best) ? mark : best), null);
  return nearest && far(nearest) <= (REACH[event.pointerType] ?? REACH.mouse) ? nearest : null;
}

// Lets marks be pointed at; `leadOf` gives the address that a row leads to, or null.
function attend(place, marks, leadOf) {
  const ordered = marks.toSorted((one, other) => one.panel - other.panel || one.at[0] - other.at[0] || one.at[1] - other.at[1]);
  let at = -1;
  place.tabIndex = 0;
  place.setAttribute("role", "application");
  place.setAttribute("aria-roledescription", "chart");
  place.setAttribute("aria-label", "Chart: arrow keys go from mark to mark, Enter opens what a mark was made from, Escape closes");
  place.onpointermove = (event) => {
    if (event.pointerType === "touch") return;
    const mark = markAt(place, marks, event);
    place.style.cursor = mark && leadOf(mark.row) ? "pointer" : "";
    if (mark) showTip(place, mark, leadOf(mark.row), false);
    else hideTip();
  };
  place.onpointerleave = (event) => {
    if (event.pointerType !== "touch") hideTip();
  };
  place.onclick = (event) => {
    const mark = markAt(place, marks, event);
    if (!mark) return hideTip();
    const lead = leadOf(mark.row);
    if (event.pointerType === "touch") showTip(place, mark, lead, true);
    else if (lead) location.hash = lead;
  };
  place.onblur = (event) => TIP.contains(event.relatedTarget) || hideTip();
  place.onkeydown = (event) => {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    if (event.key === "Escape") hideTip();
    else if (event.key === "Enter" && ordered[at] && leadOf(ordered[at].row)) location.hash = leadOf(ordered[at].row);
    else if (event.key in steps && ordered.length) {
      event.preventDefault();
      at = (at + steps[event.key] + ordered.length + (at < 0 && steps[event.key] < 0 ? 1 : 0)) % ordered.length;
      showTip(place, ordered[at], leadOf(ordered[at].row), false);
    }
  };
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
});
document.addEventListener("pointerdown", (event) => {
  if (!TIP.contains(event.target) && !event.target.closest?.(".chart")) hideTip();
});
