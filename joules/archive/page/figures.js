"use strict";
// The front page and the figures, which have the layers of the printed ones.

// What an axis of cost can be told in.
const COSTS = { energy: "energy", time: "time", cpu: "processor time" };
// Evidence that is no campaign, in the order of the paper.
const EVIDENCE = ["this campaign", "wall meters", "counters", "published"];

const figureOf = (name) =>
  META.questions.flatMap((question) => question.figures.map((figure) => ({ ...figure, question }))).find((figure) => figure.name === name);

// Where a row leads: to its statistic, its run, or all runs of its arm.
function leadOf(question) {
  return ({ statistic, arm, block, experiment }) => {
    // The campaign's own figures show statistics of its experiments.
    const path = statistic
      ? ["statistic", experiment ?? question, statistic]
      : arm && block !== undefined
        ? ["run", question, block, arm]
        : arm ? ["arm", question, arm] : null;
    return path && `#${path.map(encodeURIComponent).join("/")}`;
  };
}

// --- the front page ----------------------------------------------------------------------------------------

async function showOverview() {
  const { origin } = META;
  const claims = await csv(claimsFile);
  const primary = claims.filter((claim) => claim.kind === "primary");
  const cards = META.questions.map((question) => {
    const [first] = question.figures;
    const figure = first && { name: first.name, ...Object.values(chartOf(first.name))[0] };
    const chart = figure?.panels.length ? make("div", { class: "chart" }) : null;
    const own = claims.filter((claim) => claim.experiment === question.name);
    const answers = own.filter((claim) => primary.includes(claim));
    const card = make("section", { class: "card" },
      make("h3", {}, question.title),
      make("p", {}, question.question),
      (answers.length ? answers : own.slice(0, 2)).map((claim) => make("p", { class: "answer" }, verdict(claim.verdict), ": ", link(["claim", claim.claim], claim.statement))),
      chart && make("a", { href: `#figure/${first.name}`, "aria-label": `Figure ${spaced(first.name)}` }, chart),
      make("p", { class: "path" }, "Figures: ", question.figures.flatMap((figure, number) => [number ? ", " : "", link(["figure", figure.name], spaced(figure.name))])));
    return { card, chart, figure };
  });
  show("Overview",
    facts([
      ["machine", origin.words],
      ["measured", `${origin.first_measured_at.slice(0, 10)} (scale ${origin.scale})`],
      ["energy", origin.energy],
    ]),
    make("div", { class: "cards" }, cards.map(({ card }) => card)),
    make("h3", {}, "Evidence on the primary claims"),
    await evidenceTable(primary),
    make("p", {}, link(["claims"], `All ${claims.length} claims`)));
  for (const { chart, figure } of cards) if (chart) drawFigure(chart, beginningOf(figure), { label: spaced(figure.name) });
}

// The first panels of a figure, for a card.
function beginningOf(figure) {
  const panels = figure.panels.slice(0, Math.min(2, figure.columns));
  const { x } = figure.panels.at(-1);
  return {
    ...figure,
    columns: panels.length,
    heights: [Math.min(250, figure.heights[0])],
    panels: panels.map((panel) => ({ ...panel, x: { ...panel.x, title: panel.x.title || x.title, is_labelled: true } })),
  };
}

// Verdicts on claims by kind of evidence; earlier campaigns are counted.
async function evidenceTable(claims) {
  const found = await tableOf("campaign", "evidence");
  const rows = claims.map((claim) => {
    const own = found.filter((row) => row.claim === claim.claim);
    const others = own.filter((row) => !EVIDENCE.includes(row.evidence));
    const agree = others.filter((row) => row.verdict === claim.verdict).length;
    return {
      statement: claim.statement,
      ...Object.fromEntries(EVIDENCE.map((kind) => [kind, own.find((row) => row.evidence === kind)?.verdict ?? null])),
      "this campaign": claim.verdict,
      "other campaigns": others.length ? `${agree} of ${others.length} agree` : null,
      claim: claim.claim,
    };
  });
  return grid(rows, {
    caption: "Verdict of each kind of evidence",
    key: "evidence",
    stacks: true,
    columns: ["statement", ...EVIDENCE, "other campaigns"],
    cell: (row, column) =>
      column === "statement" ? link(["claim", row.claim], row.statement) : EVIDENCE.includes(column) && row[column] ? verdict(row[column]) : null,
  });
}

// --- a figure ----------------------------------------------------------------------------------------------

async function showFigure(name) {
  const figure = figureOf(name);
  if (!figure) return showMissing(`figure called ${name}`);
  const { question } = figure;
  const costs = chartOf(name);
  const [{ series }] = Object.values(costs);
  const chart = make("div", { class: "chart" });
  const note = make("span", { class: "note" });
  const without = new Set(remembered("without").split("|").filter(Boolean));

  function redraw() {
    const told = costs[remembered("cost")] ?? Object.values(costs)[0];
    const words = told.note ? `${told.note.replaceAll("\n", " ")}.` : "";
    const isDrawn = told.panels.length > 0;
    note.textContent = isDrawn && words ? ` ${words}` : "";
    hideTip();
    if (!isDrawn) return chart.replaceChildren(make("p", { class: "note" }, words));
    attend(chart, drawFigure(chart, told, { linear: remembered("linear") !== "", without, label: figure.caption }), leadOf(question.name));
  }

  const toggle = (attributes, isOn, onToggle, ...content) =>
    make("label", {}, make("input", { type: "checkbox", checked: isOn, ...attributes, onchange: (event) => {
      onToggle(event.target.checked);
      redraw();
    } }), ...content);
  const controls = make("div", { class: "controls" });
  if (Object.keys(costs).length > 1) {
    const options = Object.fromEntries(Object.keys(costs).map((cost) => [cost, COSTS[cost]]));
    controls.append(choose("cost", "cost", options, redraw, Object.keys(costs)[0]));
  }
  if (Object.values(costs).some((told) => told.panels.some((panel) => [panel.x, panel.y].some((axis) => axis.scale === "log")))) {
    controls.append(toggle({ id: "linear" }, remembered("linear") !== "", (isOn) => remember("linear", isOn ? "1" : ""), "linear axes"));
  }
  const legend = make("fieldset", { class: "controls legend" }, make("legend", {}, "Shown"), series.map((one) =>
    toggle({ name: "series", value: one.name }, !without.has(one.name), (isOn) => {
      if (isOn) without.delete(one.name);
      else without.add(one.name);
      remember("without", [...without].join("|"));
    }, symbolOf(one), one.name)));
  const isEmpty = Object.values(costs).every((told) => !told.panels.length);
  const pictures = isEmpty ? [] : [
    button("SVG", () => save(`${name}.svg`, "image/svg+xml", writeSvg(chart.querySelector("svg")))),
    button("PNG", () => savePng(chart.querySelector("svg"), name)),
  ];
  const tables = figure.tables.map((table) => tableFile(question.name, table));
  show(spaced(name),
    make("p", { class: "path" }, question.title),
    controls,
    make("figure", {}, chart, make("figcaption", {}, figure.caption, note)),
    series.length ? legend : null,
    make("div", { class: "controls" }, "Download:", tables.map(downloadCsv), pictures, copyLink()));
  redraw();
  new ResizeObserver(([entry]) => {
    if (chart.isConnected && Math.abs(entry.contentRect.width - chart.firstChild?.clientWidth) > 2) redraw();
  }).observe(chart);
  const named = new Set(Object.values(costs).flatMap((told) => told.statistics));
  const statistics = (await tableOf(question.name, "statistics")).filter((row) => named.has(row.statistic));
  if (!chart.isConnected) return;
  MAIN.append(
    ...(statistics.length ? [statisticsTable(question.name, statistics, "Stars and intervals of this figure")] : []),
    make("h3", {}, "Data"),
    make("p", {}, figure.tables.flatMap((table, number) => [number ? ", " : "", link(["table", question.name, table], `${table}.csv`)])),
    facts([
      ["drawn in the paper by", figure.source],
      ["fingerprint of that code", figure.code],
      ["SHA-256 of its PDF", figure.sha256],
    ]));
}
