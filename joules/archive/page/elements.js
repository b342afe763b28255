"use strict";
// What views are made of: elements, tables that are sorted and filtered, downloads, and the address of a view.

const MAIN = document.getElementById("main");
const ROWS_SHOWN = 200;
const LEAST_FILTERED = 8;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const link = (fragment, text) => make("a", { href: `#${fragment.map(encodeURIComponent).join("/")}` }, text);
const spaced = (name) => name.replaceAll("_", " ");

function printed(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  return Number(value.toPrecision(4)).toString();
}

const verdict = (text) => make("span", { class: `verdict ${String(text).split(" ")[0]}` }, printed(text));

function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return make("dl", {}, shown.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value instanceof Node ? value : printed(value))]));
}

function listed(title, links) {
  return links.length ? [make("h3", {}, title), make("ul", {}, links.map((each) => make("li", {}, each)))] : null;
}

// --- the address -------------------------------------------------------------------------------------------

const readAddress = () => {
  const [path, query = ""] = location.hash.slice(1).split("?");
  return { path: path.split("/").map(decodeURIComponent), state: new URLSearchParams(query) };
};

const remembered = (name) => readAddress().state.get(name) ?? "";

// Keeps a part of the state of a view in its address; nothing keeps nothing.
function remember(name, value) {
  const { state } = readAddress();
  if (value) state.set(name, value);
  else state.delete(name);
  const query = String(state) ? `?${state}` : "";
  history.replaceState(null, "", `#${location.hash.slice(1).split("?")[0]}${query}`);
}

function choose(name, words, options, onChange, fallback = "") {
  const select = make("select", { id: name, onchange: () => {
    remember(name, select.value === fallback ? "" : select.value);
    onChange(select.value);
  } }, Object.entries(options).map(([value, text]) => make("option", { value }, text)));
  select.value = remembered(name) in options ? remembered(name) : fallback;
  return make("label", {}, words, select);
}

// --- tables ------------------------------------------------------------------------------------------------

function compare(one, other) {
  if (one === null || other === null) return (one === null) - (other === null);
  return typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other), "en", { numeric: true });
}

// A table; `key` names its part of the address, which keeps how it is sorted and filtered.
function grid(rows, { caption, key = "table", columns, meanings = {}, cell = () => null, stacks = false } = {}) {
  const names = columns ?? Object.keys(rows[0] ?? {});
  const body = make("tbody");
  const heads = new Map();
  let limit = ROWS_SHOWN;
  const all = make("button", { type: "button", onclick: () => {
    limit = Infinity;
    fill();
  } });
  const cellOf = (row, name) => {
    const value = row[name] ?? null;
    const isNumber = typeof value === "number";
    return make("td", { class: isNumber ? "number" : String(value).length > 40 ? "long" : null, title: isNumber ? value : null, "data-name": stacks ? spaced(name) : null }, cell(row, name) ?? printed(value));
  };

  function fill() {
    const [by, needle] = [remembered(`${key}.sort`), remembered(`${key}.filter`).toLowerCase()];
    const column = by.replace(/^-/, "");
    let shown = needle ? rows.filter((row) => names.some((name) => String(row[name] ?? "").toLowerCase().includes(needle))) : rows;
    if (names.includes(column)) shown = shown.toSorted((one, other) => (by.startsWith("-") ? compare(other[column], one[column]) : compare(one[column], other[column])));
    for (const [name, head] of heads) {
      head.setAttribute("aria-sort", name !== column ? "none" : by.startsWith("-") ? "descending" : "ascending");
    }
    body.replaceChildren(...shown.slice(0, limit).map((row) => make("tr", {}, names.map((name) => cellOf(row, name)))));
    all.hidden = shown.length <= limit;
    all.textContent = `Show all ${shown.length} rows`;
  }

  for (const name of names) {
    heads.set(name, make("th", { scope: "col", title: meanings[name] }, make("button", { type: "button", class: "sort", onclick: () => {
      const now = remembered(`${key}.sort`);
      remember(`${key}.sort`, now === name ? `-${name}` : now === `-${name}` ? "" : name);
      fill();
    } }, name)));
  }
  const filter = make("input", { type: "search", value: remembered(`${key}.filter`), "aria-label": `Filter: ${caption}`, placeholder: "filter", oninput: () => {
    remember(`${key}.filter`, filter.value);
    fill();
  } });
  fill();
  const title = make("caption", {}, make("span", {}, caption), rows.length > LEAST_FILTERED ? filter : null, all);
  return make("div", { class: `scroll${stacks ? " stacks" : ""}`, tabindex: "0", role: "region", "aria-label": caption },
    make("table", {}, title, make("thead", {}, make("tr", {}, [...heads.values()])), body));
}

// --- downloads ---------------------------------------------------------------------------------------------

function save(name, type, ...content) {
  const address = URL.createObjectURL(new Blob(content, { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

const button = (text, onClick) => make("button", { type: "button", onclick: onClick }, text);
const downloadCsv = (file) => button(`${file.split("/").at(-1)}`, async () => save(file.split("/").at(-1), "text/csv", await bytesOf(file)));

// A chart as a file of its own, in the colours of print.
function writeSvg(chart) {
  const light = { "--ink": "#000000", "--ground": "#ffffff", "--band": "#c4c4c4", "--soft": "#595959" };
  const copy = chart.cloneNode(true);
  copy.querySelector(".ring")?.remove();
  copy.setAttribute("style", "background:#ffffff");
  return new XMLSerializer().serializeToString(copy).replace(/var\((--\w+)\)/g, (_, name) => light[name]);
}

async function savePng(chart, name) {
  const [scale, image] = [3, new Image()];
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(writeSvg(chart))}`;
  await image.decode();
  const canvas = make("canvas", { width: chart.clientWidth * scale, height: chart.clientHeight * scale });
  const paper = canvas.getContext("2d");
  paper.fillStyle = "#ffffff";
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.drawImage(image, 0, 0, canvas.width, canvas.height);
  save(`${name}.png`, "image/png", await new Promise((done) => canvas.toBlob(done)));
}

const copyLink = () => {
  const copy = button("copy link", async () => {
    await navigator.clipboard.writeText(location.href).then(() => (copy.textContent = "copied"), () => (copy.textContent = location.href));
  });
  return copy;
};
