"use strict";
// Tables, claims, values and records are parsed from the files this page carries, and exactly those bytes are hashed
// against the manifest. Charts have the layers of the printed figures, made from the same tables with the page.

const META = JSON.parse(document.getElementById("meta").textContent);
const FILES = JSON.parse(document.getElementById("files").textContent);
const MAIN = document.getElementById("main");
// What an axis of cost can be told in.
const COSTS = { energy: "energy", time: "time", cpu: "processor time" };
const ROWS_SHOWN = 200;

// --- files -------------------------------------------------------------------------------------------------

const held = new Map();

async function bytesOf(name) {
  if (!held.has(name)) {
    if (!(name in FILES)) throw new Error(`this page carries no file ${name}`);
    const packed = Uint8Array.from(atob(FILES[name].content), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    held.set(name, new Response(stream).arrayBuffer());
  }
  return held.get(name);
}

async function textOf(name) {
  return new TextDecoder().decode(await bytesOf(name));
}

async function sha256(buffer) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function prove() {
  const status = document.getElementById("proof");
  const say = (text, kind) => {
    status.textContent = text;
    status.className = kind;
  };
  if (!globalThis.crypto || !crypto.subtle) {
    say("Not verified: this browser does not hash pages of this kind.", "bad");
    return;
  }
  const changed = [];
  let manifest = null;
  try {
    manifest = JSON.parse(await textOf(META.manifest)).files;
  } catch {
    changed.push(META.manifest);
  }
  for (const name of manifest ? Object.keys(FILES) : []) {
    if (name === META.manifest || FILES[name].of) continue;
    let digest = null;
    try {
      digest = await sha256(await bytesOf(name));
    } catch {
      // Bytes that cannot be unpacked have no hash.
    }
    if (digest === null || digest !== manifest[name]) changed.push(name);
  }
  if (changed.length) {
    say(`Not verified: ${changed.join(", ")} ${changed.length > 1 ? "are" : "is"} not what the manifest lists.`, "bad");
  } else {
    const own = await sha256(await bytesOf(META.manifest));
    const count = Object.values(FILES).filter((file) => !file.of).length - 1;
    say(`Verified: ${count} files have the hashes of the manifest, whose own is ${own.slice(0, 16)}.`, "good");
  }
}

// --- tables ------------------------------------------------------------------------------------------------

const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/;
const parsed = new Map();

function parseCsv(text) {
  const rows = [];
  let row = [];
  let cell = "";
  let quoted = false;
  for (let place = 0; place < text.length; place += 1) {
    const mark = text[place];
    if (quoted) {
      if (mark === '"' && text[place + 1] === '"') {
        cell += '"';
        place += 1;
      } else if (mark === '"') {
        quoted = false;
      } else {
        cell += mark;
      }
    } else if (mark === '"') {
      quoted = true;
    } else if (mark === ",") {
      row.push(cell);
      cell = "";
    } else if (mark === "\n") {
      row.push(cell);
      rows.push(row);
      row = [];
      cell = "";
    } else {
      cell += mark;
    }
  }
  if (cell || row.length) rows.push([...row, cell]);
  const [names = [], ...body] = rows;
  return body.map((cells) => Object.fromEntries(names.map((name, place) => [name, typed(cells[place])])));
}

function typed(cell) {
  if (cell === undefined || cell === "") return null;
  if (NUMBER.test(cell)) return Number(cell);
  return cell === "true" ? true : cell === "false" ? false : cell;
}

async function csv(name) {
  if (!parsed.has(name)) parsed.set(name, textOf(name).then(parseCsv));
  return parsed.get(name);
}

const tableFile = (question, table) => `results/${META.campaign}/tables/${question}/${table}.csv`;
const tableOf = (question, table) => csv(tableFile(question, table));
const claimsFile = `results/${META.campaign}/claims.csv`;
const valuesFile = `paper/build/${META.campaign}/values.csv`;
// Tables that not every question has.
const rowsOf = async (question, table) => (tableFile(question, table) in FILES ? tableOf(question, table) : []);

async function recordsOf(question) {
  const name = `records of ${question}`;
  if (!parsed.has(name)) {
    const start = `results/${META.campaign}/runs/${question}/`;
    const files = Object.keys(FILES).filter((file) => file.startsWith(start));
    parsed.set(
      name,
      Promise.all(files.map(textOf)).then((texts) =>
        texts.flatMap((text) => text.split("\n").filter(Boolean).map((line) => JSON.parse(line))),
      ),
    );
  }
  return parsed.get(name);
}

// --- making the page ---------------------------------------------------------------------------------------

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const link = (fragment, text) => make("a", { href: `#${fragment.map(encodeURIComponent).join("/")}` }, text);

function printed(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  return Number(value.toPrecision(4)).toString();
}

function facts(pairs) {
  return make(
    "dl",
    {},
    pairs
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .flatMap(([name, value]) => [
        make("dt", {}, name),
        make("dd", {}, value instanceof Node ? value : printed(value)),
      ]),
  );
}

function grid(rows, { caption, columns, meanings = {}, cell = () => null } = {}) {
  const names = columns ?? Object.keys(rows[0] ?? {});
  const body = make("tbody");
  const title = make("caption", {}, caption);
  const cellOf = (row, name) => {
    const value = row[name];
    const isNumber = typeof value === "number";
    return make("td", { class: isNumber ? "number" : null, title: isNumber ? value : null }, cell(row, name) ?? printed(value));
  };
  const fill = (count) =>
    body.replaceChildren(...rows.slice(0, count).map((row) => make("tr", {}, names.map((name) => cellOf(row, name)))));
  fill(ROWS_SHOWN);
  if (rows.length > ROWS_SHOWN) {
    const all = make("button", { type: "button", onclick: () => {
      fill(rows.length);
      all.remove();
    } }, `Show all ${rows.length} rows`);
    title.append(` `, all);
  }
  return make(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    make(
      "table",
      {},
      title,
      make("thead", {}, make("tr", {}, names.map((name) => make("th", { scope: "col", title: meanings[name] }, name)))),
      body,
    ),
  );
}

let hasOpened = false;

function show(title, ...content) {
  MAIN.replaceChildren(make("h2", { tabindex: "-1" }, title), ...content.flat(2).filter((part) => part !== null && part !== undefined));
  document.title = `${title} · ${META.title}`;
  // A mark that is left by a click gets no event that would hide its tooltip.
  document.getElementById("vg-tooltip-element")?.classList.remove("visible");
  // Whoever opens the page begins at its top; whoever follows a link, at what it leads to.
  if (hasOpened) MAIN.querySelector("h2").focus({ preventScroll: true });
  hasOpened = true;
  window.scrollTo(0, 0);
}

const questionOf = (name) => META.questions.find((question) => question.name === name);
const figureOf = (name) =>
  META.questions.flatMap((question) => question.figures.map((figure) => ({ ...figure, question }))).find(
    (figure) => figure.name === name,
  );

// --- figures -----------------------------------------------------------------------------------------------

function showFigures() {
  show(
    "Figures",
    META.questions.map((question) => [
      make("h3", {}, question.title),
      make("p", {}, question.question),
      make(
        "ol",
        { class: "figures" },
        question.figures.map((figure) =>
          make("li", {}, link(["figure", figure.name], figure.name.replaceAll("_", " ")), make("br"), figure.caption),
        ),
      ),
    ]),
  );
}

const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

// A specification without the series that are left out, on linear axes where asked for.
function chosen(spec, { without, linear }) {
  return JSON.parse(JSON.stringify(spec), (key, value) => {
    if (key === "values") return value.filter((row) => !without.has(row.series));
    if (linear && value?.scale?.type === "log") {
      value.scale.type = "linear";
      if (value.axis) value.axis = { title: value.axis.title };
    }
    return value;
  });
}

function tooltip(value, sanitize) {
  const lines = Object.entries(value)
    .filter(([, cell]) => cell !== "null" && cell !== "undefined" && cell !== "")
    .map(([name, cell]) => {
      const text = NUMBER.test(cell) ? printed(Number(cell)) : String(cell);
      return `<tr><th scope="row">${sanitize(name)}</th><td>${sanitize(text)}</td></tr>`;
    });
  return `<table>${lines.join("")}</table>`;
}

// Draws into `place`; returns the view.
async function draw(place, spec) {
  const result = await vegaEmbed(place, spec, {
    renderer: "svg",
    actions: false,
    theme: isDark() ? "dark" : undefined,
    config: { background: "transparent" },
    tooltip: { formatTooltip: tooltip, theme: isDark() ? "dark" : "light" },
  });
  return result.view;
}

const LEAST_PANEL = 260;

// Draws panels as wide as the page allows, below one another where it is narrow.
async function drawFigure(place, spec) {
  const fitted = JSON.parse(JSON.stringify(spec));
  const room = place.clientWidth - 4;
  fitted.columns = Math.max(1, Math.min(spec.columns, Math.floor(room / LEAST_PANEL)));
  const widen = (by) => fitted.concat.forEach((panel) => {
    panel.width = Math.max(120, panel.width + by);
  });
  widen(room / fitted.columns - 60 - fitted.concat[0].width);
  const first = await draw(place, fitted);
  // Words beside the axes take what only drawing tells.
  widen((room - place.querySelector("svg").width.baseVal.value) / fitted.columns);
  first.finalize();
  return draw(place, fitted);
}

async function showFigure(name) {
  const figure = figureOf(name);
  if (!figure) return showMissing(`figure called ${name}`);
  const { question, costs } = figure;
  const state = { cost: Object.keys(costs)[0], linear: false, without: new Set() };
  const chart = make("div", { class: "chart" });
  const note = make("p", { class: "note", role: "status" });
  const legend = make("fieldset", { class: "controls legend" });

  async function redraw() {
    const told = costs[state.cost];
    note.textContent = told.note;
    if (!told.spec) return;
    const view = await drawFigure(chart, chosen(told.spec, state));
    view.addEventListener("click", (_event, item) => walk(question.name, item?.datum));
  }

  const controls = make("div", { class: "controls" });
  if (Object.keys(costs).length > 1) {
    const options = Object.keys(costs).map((cost) => make("option", { value: cost }, COSTS[cost]));
    controls.append(make("label", {}, "cost", make("select", { id: "cost", onchange: (event) => {
      state.cost = event.target.value;
      redraw();
    } }, options)));
  }
  if (JSON.stringify(costs).includes('"type":"log"')) {
    controls.append(make("label", {}, make("input", { type: "checkbox", id: "linear", onchange: (event) => {
      state.linear = event.target.checked;
      redraw();
    } }), "linear axes"));
  }
  const { series } = Object.values(costs)[0];
  legend.append(make("legend", {}, "Shown"), ...series.map((one) =>
    make("label", {}, make("input", { type: "checkbox", checked: "", name: "series", value: one.name, onchange: (event) => {
      if (event.target.checked) state.without.delete(one.name);
      else state.without.add(one.name);
      redraw();
    } }), symbolOf(one), one.name)));
  const named = new Set(Object.values(costs).flatMap((told) => told.statistics));
  const statistics = (await rowsOf(question.name, "statistics")).filter((row) => named.has(row.statistic));
  const sizes = [];
  for (const table of figure.tables) {
    const rows = await tableOf(question.name, table);
    sizes.push(make("p", {}, link(["table", question.name, table], `${table}.csv`), ` (${rows.length} rows)`));
  }
  show(
    figure.name.replaceAll("_", " "),
    make("p", { class: "path" }, question.title),
    make("p", {}, make("b", {}, "In the paper: "), figure.caption),
    controls,
    chart,
    note,
    series.length ? legend : null,
    statistics.length ? statisticsTable(question.name, statistics, "Stars and intervals of this figure") : null,
    make("h3", {}, "Data"),
    sizes,
    facts([
      ["drawn in the paper by", figure.source],
      ["fingerprint of that code", figure.code],
      ["SHA-256 of its PDF", figure.sha256],
    ]),
  );
  await redraw();
}

const SHAPES = {
  circle: "M15,6A4,4 0 1 1 15,5.99Z",
  square: "M7.5,2.5H14.5V9.5H7.5Z",
  "triangle-up": "M11,1.5L15.5,9.5H6.5Z",
  diamond: "M11,1L15.5,6L11,11L6.5,6Z",
  "triangle-down": "M11,10.5L15.5,2.5H6.5Z",
  cross: "M9.5,1.5H12.5V4.5H15.5V7.5H12.5V10.5H9.5V7.5H6.5V4.5H9.5Z",
};

// What a series looks like: its line, its point, or else its area.
function symbolOf({ colour, shape, dash, opacity }) {
  const part = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const symbol = part("svg", { width: 22, height: 12, "aria-hidden": "true" });
  if (dash) symbol.append(part("path", { d: "M0,6H22", stroke: colour, "stroke-width": 2, "stroke-dasharray": dash }));
  if (shape) symbol.append(part("path", { d: SHAPES[shape], fill: colour }));
  if (!dash && !shape) symbol.append(part("rect", { width: 22, height: 12, fill: colour, opacity }));
  return symbol;
}

// Where a mark leads: to the statistic behind it, the run, or all runs of its arm.
function walk(question, datum) {
  if (!datum) return;
  const { statistic, arm, block } = datum;
    // The campaign's own figures show statistics of its questions.
  const owner = datum.experiment ?? question;
  if (statistic) location.hash = `#statistic/${owner}/${encodeURIComponent(statistic)}`;
  else if (arm && block !== undefined && block !== null) location.hash = `#run/${question}/${block}/${encodeURIComponent(arm)}`;
  else if (arm) location.hash = `#arm/${question}/${encodeURIComponent(arm)}`;
}

function statisticsTable(question, rows, caption) {
  return grid(rows, {
    caption,
    columns: ["statistic", "estimate", "ci_low", "ci_high", "unit", "n", "p_holm", "stars", "band_low", "band_high"].filter(
      (column) => rows.some((row) => row[column] !== null && row[column] !== undefined),
    ),
    meanings: META.meanings[`${question}/statistics`],
    cell: (row, column) =>
      column === "statistic" || (column === "stars" && row.stars)
        ? link(["statistic", question, row.statistic], row[column])
        : null,
  });
}

// --- the walk ----------------------------------------------------------------------------------------------

async function showStatistic(question, statistic) {
  const row = (await tableOf(question, "statistics")).find((each) => each.statistic === statistic);
  if (!row) return showMissing(`statistic ${statistic} of ${question}`);
  const under = (await tableOf(question, "power_models")).filter((each) => each.statistic === statistic);
  const runs = await tableOf(question, "runs");
  // A family may be all that is said of one arm.
  const named = runs.filter((run) => [row.group, row.base, row.family].includes(run.arm));
  const claims = (await csv(claimsFile)).filter(
    (claim) => claim.experiment === question && claim.statistic === statistic,
  );
  show(
    statistic,
    make("p", { class: "path" }, link(["table", question, "statistics"], `${question}/statistics.csv`)),
    facts(Object.entries(row)),
    claims.map((claim) => make("p", {}, "Decides ", link(["claim", claim.claim], claim.statement))),
    under.length ? grid(under, { caption: "Under every power model" }) : null,
    runsTable(question, named.length ? named : runs, named.length ? "Runs behind it" : "All runs of the question"),
  );
}

function runsTable(question, runs, caption = "Runs") {
  const wanted = ["arm", "block", "duration_s", "energy_j", "energy_uncertainty_j", "provenance", "cpu_s", "flags", "failure"];
  return grid(runs, {
    caption,
    columns: wanted.filter((column) => column in (runs[0] ?? {})),
    meanings: META.meanings[`${question}/runs`],
    cell: (row, column) =>
      column === "arm" ? link(["run", question, String(row.block), row.arm], row.arm) : null,
  });
}

async function showArm(question, arm) {
  const runs = (await tableOf(question, "runs")).filter((run) => run.arm === arm);
  if (!runs.length) return showMissing(`arm ${arm} of ${question}`);
  const statistics = (await tableOf(question, "statistics")).filter((row) => [row.group, row.base].includes(arm));
  show(
    arm,
    make("p", { class: "path" }, questionOf(question).title),
    runsTable(question, runs),
    statistics.length ? statisticsTable(question, statistics, "Statistics that name it") : null,
  );
}

async function showRun(question, block, arm) {
  const record = (await recordsOf(question)).find(
    (each) => each.kind === "run" && each.arm === arm && String(each.block) === block,
  );
  if (!record) return showMissing(`run of ${arm} in block ${block} of ${question}`);
  const charts = make("div", { class: "chart" });
  show(
    `${arm}, block ${block}`,
    make("p", { class: "path" }, link(["arm", question, arm], `all runs of ${arm}`)),
    facts([
      ["energy", record.total ? `${printed(record.total.energy_j)} ± ${printed(record.total.uncertainty_j)} J, ${record.total.provenance}` : "not read"],
      ["duration", record.duration_s === null ? null : `${printed(record.duration_s)} s`],
      ["processor time", record.contention ? `${printed(record.contention.job_cpu_s)} s` : null],
      ["measured at", record.measured_at],
      ["seed", record.seed],
      ["place in its block", record.position],
      ["failure", record.failure],
      ["flags", record.flags.join("; ") || "none"],
      ["machine", `${record.machine.processor}, ${record.machine.logical_cores} cores, ${record.machine.memory_gib} GiB`],
      ["versions", Object.entries(record.versions).map(([name, version]) => `${name} ${version}`).join(", ")],
      ["code", record.fingerprint],
      ["record", record.sha256],
    ]),
    make("h3", {}, "Readings"),
    grid(record.readings, {
      caption: "What each source read",
      columns: ["domain", "scope", "source", "provenance", "energy_j", "uncertainty_j", "samples", "detail"],
    }),
    record.phases.length ? grid(record.phases, { caption: "Phases" }) : null,
    charts,
    make("h3", {}, "What it did"),
    facts(Object.entries(record.parameters)),
    facts(Object.entries(record.metrics).filter(([, value]) => typeof value !== "object")),
  );
  const power = record.power.flatMap((course) =>
    course.from_s.map((second, place) => ({ second, watts: course.power_w[place], domain: course.domain })),
  );
  const steps = record.steps.map((step) => ({ ...step }));
  if (power.length) await embed(charts, "Power over the window", stepChart(power, "second", "watts", "domain", "power in W"));
  if (steps.length > 1) await embed(charts, "Energy by step", stepChart(steps, "index", "energy_j", null, "energy in J"));
  if (!power.length && steps.length < 2) charts.append(make("p", {}, "The course of power was not kept for this question."));
}

function stepChart(values, x, y, colour, title) {
  return {
    data: { values },
    width: "container",
    height: 180,
    mark: { type: "line", interpolate: "step-after" },
    encoding: {
      x: { field: x, type: "quantitative" },
      y: { field: y, type: "quantitative", title },
      ...(colour ? { color: { field: colour, type: "nominal" } } : {}),
      tooltip: [x, y, ...(colour ? [colour] : [])].map((field) => ({ field })),
    },
  };
}

async function embed(parent, title, spec) {
  const place = make("div", { class: "chart" });
  parent.append(make("h3", {}, title), place);
  await draw(place, spec);
}

// --- claims, numbers, files --------------------------------------------------------------------------------

const verdictClass = (verdict) => String(verdict).split(" ")[0];

async function showClaims() {
  const claims = await csv(claimsFile);
  const others = {};
  for (const other of META.others) others[other.name] = await csv(other.file);
  const under = Object.keys(claims[0] ?? {}).filter((column) => column.startsWith("under_"));
  const judged = ["verdict", "uncorrected_verdict", "unflagged_verdict", ...under];
  const state = { column: "verdict", wanted: "all" };
  const place = make("div");

  function draw() {
    const verdicts = claims.filter((claim) => state.wanted === "all" || claim[state.column] === state.wanted);
    place.replaceChildren(
      grid(verdicts, {
        caption: `${verdicts.length} of ${claims.length} claims`,
        columns: ["statement", "experiment", "kind", "declaration", state.column, "estimate", "ci_low", "ci_high", "comparison", "value"].filter(
          (column) => column in (claims[0] ?? {}),
        ),
        meanings: META.meanings.claims,
        cell: (row, column) => {
          if (column === "statement") return link(["claim", row.claim], row.statement);
          if (column === state.column) return make("span", { class: verdictClass(row[column]) }, printed(row[column]));
          return null;
        },
      }),
    );
  }

  const choose = (name, values, words, key) =>
    make(
      "label",
      {},
      words,
      make(
        "select",
        {
          id: name,
          onchange: (event) => {
            state[key] = event.target.value;
            draw();
          },
        },
        values.map((value) => make("option", { value }, value.replaceAll("_", " "))),
      ),
    );
  const verdicts = [...new Set(claims.flatMap((claim) => judged.map((column) => claim[column])))].filter(Boolean).sort();
  show(
    "Claims",
    make(
      "div",
      { class: "controls" },
      choose("judged", judged.filter((column) => claims.some((claim) => claim[column])), "judged by", "column"),
      choose("wanted", ["all", ...verdicts], "verdict", "wanted"),
    ),
    place,
    Object.keys(others).length ? [make("h3", {}, "Beside other campaigns"), besides(claims, others)] : null,
  );
  draw();
}

function besides(claims, others) {
  const rows = claims.map((claim) => ({
    claim: claim.claim,
    [META.campaign]: claim.verdict,
    ...Object.fromEntries(
      Object.entries(others).map(([name, theirs]) => [name, theirs.find((each) => each.claim === claim.claim)?.verdict ?? null]),
    ),
  }));
  return grid(rows, {
    caption: "Verdicts of released campaigns",
    cell: (row, column) =>
      column === "claim"
        ? link(["claim", row.claim], row.claim.replaceAll("_", " "))
        : row[column] && make("span", { class: verdictClass(row[column]) }, row[column]),
  });
}

async function showClaim(name) {
  const claim = (await csv(claimsFile)).find((each) => each.claim === name);
  if (!claim) return showMissing(`claim called ${name}`);
  show(
    claim.statement,
    make("p", { class: verdictClass(claim.verdict) }, claim.verdict),
    facts(Object.entries(claim).filter(([column]) => column !== "statement" && column !== "verdict")),
    make("p", {}, "Decided by ", link(["statistic", claim.experiment, claim.statistic], claim.statistic)),
  );
}

async function showValues() {
  const values = await csv(valuesFile);
  show("Numbers of the paper", valuesTable(values, `${values.length} numbers and words`));
}

// Units are those of LaTeX's siunitx.
const unitOf = (value) => (value.unit ?? "").replaceAll("\\", " ").trim();

function valuesTable(rows, caption) {
  return grid(rows, {
    caption,
    columns: ["key", "printed", "unit", "experiment", "source"],
    cell: (row, column) => {
      if (column === "key") return link(["value", row.key], row.key);
      return column === "unit" ? unitOf(row) : null;
    },
  });
}

async function showValue(key) {
  const value = (await csv(valuesFile)).find((each) => each.key === key);
  if (!value) return showMissing(`number with the key ${key}`);
  const [, table] = String(value.source).match(/(\w+)\.csv/) ?? [];
  const [, row] = String(value.source).match(/(?:statistic|claim) == '([^']*)'/) ?? [];
  const target =
    table === "claims" && (await csv(claimsFile)).some((claim) => claim.claim === row)
      ? link(["claim", row], value.source)
      : table === "statistics" && row
        ? link(["statistic", value.experiment, row], value.source)
        : table && tableFile(value.experiment, table) in FILES
          ? link(["table", value.experiment, table], value.source)
          : value.source;
  show(
    value.key,
    facts([
      ["printed", `${value.printed} ${unitOf(value)}`.trim()],
      ["raw", value.raw],
      ["band over power models", value.band_low === null ? null : `${printed(value.band_low)} to ${printed(value.band_high)}`],
      ["from", target],
      ["question", value.experiment],
    ]),
  );
}

async function showTable(question, table) {
  const file = tableFile(question, table);
  if (!(file in FILES)) return showMissing(`table ${table} of ${question}`);
  const rows = await csv(file);
  show(
    `${question}/${table}.csv`,
    grid(rows, {
      caption: `${rows.length} rows`,
      meanings: META.meanings[`${question}/${table}`] ?? {},
      cell: (row, column) => {
        if (column === "statistic") return link(["statistic", question, row.statistic], row.statistic);
        if (column !== "arm" || !row.arm) return null;
        return row.block === null || row.block === undefined
          ? link(["arm", question, row.arm], row.arm)
          : link(["run", question, String(row.block), row.arm], row.arm);
      },
    }),
  );
}

function showFiles() {
  const rows = Object.entries(FILES)
    .filter(([, file]) => !file.of)
    .map(([name]) => ({ file: name }));
  show(
    "Files",
    make("p", {}, "Every file that this page shows something of. It hashes each of them against the manifest."),
    grid(rows, {
      caption: `${rows.length} files`,
      cell: (row) => {
        const found = row.file.match(/tables\/([^/]+)\/([^/]+)\.csv$/);
        return found ? link(["table", found[1], found[2]], row.file) : null;
      },
    }),
  );
}

async function showSearch(text) {
  const needle = text.trim().toLowerCase();
  const has = (...words) => words.some((word) => String(word ?? "").toLowerCase().includes(needle));
  const values = (await csv(valuesFile)).filter((value) => has(value.key, value.printed, value.raw));
  const claims = (await csv(claimsFile)).filter((claim) => has(claim.claim, claim.statement));
  const figures = META.questions.flatMap((question) => question.figures).filter((figure) => has(figure.name.replaceAll("_", " "), figure.name, figure.caption));
  const arms = [];
  for (const question of META.questions.filter((each) => tableFile(each.name, "runs") in FILES)) {
    const names = new Set((await tableOf(question.name, "runs")).map((run) => run.arm).filter((arm) => has(arm)));
    arms.push(...[...names].map((arm) => [question.name, arm]));
  }
  const found = values.length + claims.length + figures.length + arms.length;
  show(
    `${found} found for “${text}”`,
    values.length ? valuesTable(values, "Numbers of the paper") : null,
    listed("Claims", claims.map((claim) => link(["claim", claim.claim], claim.statement))),
    listed("Figures", figures.map((figure) => link(["figure", figure.name], figure.name.replaceAll("_", " ")))),
    listed("Arms", arms.map(([question, arm]) => link(["arm", question, arm], `${arm} (${question})`))),
  );
}

function listed(title, links) {
  return links.length ? [make("h3", {}, title), make("ul", {}, links.map((each) => make("li", {}, each)))] : null;
}

function showMissing(what) {
  show("Not here", make("p", {}, `This campaign has no ${what}.`));
}

// --- where to ----------------------------------------------------------------------------------------------

const ROUTES = {
  "": showFigures,
  figures: showFigures,
  figure: showFigure,
  statistic: showStatistic,
  arm: showArm,
  run: showRun,
  claims: showClaims,
  claim: showClaim,
  values: showValues,
  value: showValue,
  table: showTable,
  files: showFiles,
  search: showSearch,
};

async function route() {
  const [name, ...rest] = location.hash.slice(1).split("/").map(decodeURIComponent);
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
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", route);
route().then(prove);
