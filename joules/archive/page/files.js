"use strict";
// The files that this page carries, compressed, and their hashes. What it shows is parsed from exactly these bytes.

const META = JSON.parse(document.getElementById("meta").textContent);
const FILES = new Set(META.files);
// Files come after this script: the first view is drawn while they are read.
const isWhole = new Promise((done) => document.addEventListener("DOMContentLoaded", done));
const carried = (kind, name) => document.querySelector(`script[data-${kind}="${CSS.escape(name)}"]`).textContent;
const held = new Map();
const parsed = new Map();

async function bytesOf(name) {
  if (!held.has(name)) {
    if (!FILES.has(name)) throw new Error(`this page carries no file ${name}`);
    await isWhole;
    const packed = Uint8Array.from(atob(carried("file", name)), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    held.set(name, new Response(stream).arrayBuffer());
  }
  return held.get(name);
}

const textOf = async (name) => new TextDecoder().decode(await bytesOf(name));

async function sha256(buffer) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const manifestOf = async () => JSON.parse(await textOf(META.manifest)).files;
const isListed = async (name) => (await sha256(await bytesOf(name))) === (await manifestOf())[name];

async function prove() {
  const status = document.getElementById("proof");
  const say = (text, kind) => {
    status.textContent = text;
    status.className = kind;
  };
  if (!globalThis.crypto?.subtle) return say("Not checked: this browser does not hash pages of this kind.", "bad");
  const changed = [];
  for (const name of META.files.filter((each) => each !== META.manifest)) {
    // Bytes that cannot be unpacked have no hash.
    if (!(await isListed(name).catch(() => false))) changed.push(name);
  }
  if (changed.length) {
    return say(`Changed: ${changed.join(", ")} ${changed.length > 1 ? "are" : "is"} not what the manifest lists.`, "bad");
  }
  const own = await sha256(await bytesOf(META.manifest));
  const count = FILES.size - 1;
  return say(
    `${count} files agree with the manifest that this page carries. To know that it is the right one, compare its SHA-256, ` +
      `${own.slice(0, 16)}…, with that of ${META.manifest} in a copy you trust.`,
    "good",
  );
}

// --- tables ------------------------------------------------------------------------------------------------

const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/;

function parseCsv(text) {
  const rows = [];
  let [row, cell, quoted] = [[], "", false];
  const endCell = () => {
    row.push(cell);
    cell = "";
  };
  const endRow = () => {
    endCell();
    rows.push(row);
    row = [];
  };
  for (let place = 0; place < text.length; place += 1) {
    const mark = text[place];
    if (quoted && mark === '"' && text[place + 1] === '"') {
      cell += '"';
      place += 1;
    } else if (mark === '"') quoted = !quoted;
    else if (quoted) cell += mark;
    else if (mark === ",") endCell();
    else if (mark === "\n") endRow();
    else cell += mark;
  }
  if (cell || row.length) endRow();
  const [names = [], ...body] = rows;
  return body.map((cells) => Object.fromEntries(names.map((name, place) => [name, typed(cells[place])])));
}

function typed(cell) {
  if (cell === undefined || cell === "") return null;
  if (NUMBER.test(cell)) return Number(cell);
  return /^true$/i.test(cell) ? true : /^false$/i.test(cell) ? false : cell;
}

async function csv(name) {
  if (!parsed.has(name)) parsed.set(name, textOf(name).then(parseCsv));
  return parsed.get(name);
}

const tableFile = (question, table) => `results/${META.campaign}/tables/${question}/${table}.csv`;
// Not every experiment has every table.
const tableOf = async (question, table) => (FILES.has(tableFile(question, table)) ? csv(tableFile(question, table)) : []);
const claimsFile = `results/${META.campaign}/claims.csv`;
const valuesFile = `paper/build/${META.campaign}/values.csv`;

const chartOf = (name) => JSON.parse(carried("chart", name));

// --- records -----------------------------------------------------------------------------------------------

// The record of a run, with its file, its line and whether that line has the hash that it states.
async function findRecord(question, block, arm) {
  const start = `results/${META.campaign}/runs/${question}/`;
  for (const file of META.files.filter((name) => name.startsWith(start))) {
    for (const [number, line] of (await textOf(file)).split("\n").entries()) {
      if (!line.includes(JSON.stringify(arm))) continue;
      const record = JSON.parse(line);
      if (record.kind !== "run" || record.arm !== arm || String(record.block) !== block) continue;
      const body = line.replace(/, "sha256": "[0-9a-f]{64}"/, "");
      const isAsWritten = (await sha256(new TextEncoder().encode(body))) === record.sha256;
      return { record, file, line: number + 1, text: line, isAsWritten, isListed: await isListed(file) };
    }
  }
  return null;
}
