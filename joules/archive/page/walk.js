"use strict";
// From a statistic to its runs, and to the record of a run.

const COURSE_PX = 150;

function statisticsTable(question, rows, caption) {
  const columns = ["statistic", "estimate", "ci_low", "ci_high", "contrast", "unit", "n", "p_holm", "stars", "band_low", "band_high"];
  return grid(rows, {
    caption,
    key: "statistics",
    columns: columns.filter((column) => rows.some((row) => row[column] !== null && row[column] !== undefined)),
    meanings: META.meanings[`${question}/statistics`],
    cell: (row, column) => (column === "statistic" || (column === "stars" && row.stars) ? link(["statistic", question, row.statistic], row[column]) : null),
  });
}

async function showStatistic(question, statistic) {
  const row = (await tableOf(question, "statistics")).find((each) => each.statistic === statistic);
  if (!row) return showMissing(`statistic ${statistic} of ${question}`);
  const under = (await tableOf(question, "power_models")).filter((each) => each.statistic === statistic);
  const runs = await tableOf(question, "runs");
  // A family may be all that is said of one arm.
  const named = runs.filter((run) => [row.group, row.base, row.family].includes(run.arm));
  const claims = (await csv(claimsFile)).filter((claim) => claim.experiment === question && claim.statistic === statistic);
  show(statistic,
    make("p", { class: "path" }, link(["table", question, "statistics"], `${question}/statistics.csv`)),
    facts(Object.entries(row)),
    claims.map((claim) => make("p", {}, "Decides ", link(["claim", claim.claim], claim.statement))),
    under.length ? grid(under, { caption: "Under every power model", key: "models" }) : null,
    runsTable(question, named.length ? named : runs, named.length ? "Runs behind it" : "All runs of the experiment"));
}

function runsTable(question, runs, caption = "Runs") {
  const wanted = ["arm", "block", "duration_s", "energy_j", "energy_uncertainty_j", "provenance", "cpu_s", "flags", "failure"];
  return grid(runs, {
    caption,
    key: "runs",
    columns: wanted.filter((column) => column in (runs[0] ?? {})),
    meanings: META.meanings[`${question}/runs`],
    cell: (row, column) => (column === "arm" ? link(["run", question, String(row.block), row.arm], row.arm) : null),
  });
}

async function showArm(question, arm) {
  const runs = (await tableOf(question, "runs")).filter((run) => run.arm === arm);
  if (!runs.length) return showMissing(`arm ${arm} of ${question}`);
  const statistics = (await tableOf(question, "statistics")).filter((row) => [row.group, row.base].includes(arm));
  show(arm,
    make("p", { class: "path" }, META.questions.find((each) => each.name === question).title),
    runsTable(question, runs),
    statistics.length ? statisticsTable(question, statistics, "Statistics that name it") : null);
}

async function showRun(question, block, arm) {
  const found = await findRecord(question, block, arm);
  if (!found) return showMissing(`run of ${arm} in block ${block} of ${question}`);
  const { record, file, line, text, isAsWritten } = found;
  const charts = make("div", {});
  show(`${arm}, block ${block}`,
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
    ]),
    charts,
    make("h3", {}, "Readings"),
    grid(record.readings, { caption: "What each source read", key: "readings", columns: ["domain", "scope", "source", "provenance", "energy_j", "uncertainty_j", "samples", "detail"] }),
    make("h3", {}, "What it did"),
    facts(Object.entries(record.parameters)),
    facts(Object.entries(record.metrics).filter(([, value]) => typeof value !== "object")),
    record.phases.length ? make("details", {}, make("summary", {}, `${record.phases.length} phases`), grid(record.phases, { caption: "Phases", key: "phases" })) : null,
    make("h3", {}, "Record"),
    make("p", {}, `Line ${line} of ${file}.`),
    make("p", { class: isAsWritten && found.isListed ? "good" : "bad" },
      `${isAsWritten ? "The line has the SHA-256 that it states." : "The line does not have the SHA-256 that it states."} ` +
      `${found.isListed ? "Its file has that of the manifest." : "Its file is not what the manifest lists."}`),
    make("p", { class: "note" }, `Both hashes come with this page, so they show that the record is whole, not who wrote it. ` +
      `"joules trace --verify --campaign ${META.campaign}" makes every table from the records again.`),
    make("details", { class: "raw" }, make("summary", {}, `Raw line, ${text.length.toLocaleString("en")} characters`), make("pre", { tabindex: "0" }, text)),
    make("div", { class: "controls" }, button("download the line", () => save(`${arm}-block-${block}.jsonl`, "application/jsonl", text, "\n")), copyLink()));
  drawCourses(charts, record);
}

// Power and energy over the window, where they were kept.
function drawCourses(place, record) {
  const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "var(--ink)"];
  const power = record.power.map((course, number) => ({
    name: course.domain,
    colour: colours[number % colours.length],
    // The last value holds until the end.
    rows: [...course.from_s.map((x, at) => ({ x, y: course.power_w[at] })), { x: record.duration_s, y: course.power_w.at(-1) }],
  }));
  const steps = record.steps.filter((step) => step.energy_j !== null).map((step) => ({ x: step.time_s, y: step.energy_j }));
  const drawn = [
    power.length && ["Power over the window", "power in W", power, true],
    steps.length > 1 && ["Energy at each step", "energy in J", [{ name: "", colour: colours[0], rows: steps }], false],
  ].filter(Boolean);
  for (const [title, unit, series, isStepped] of drawn) {
    const chart = make("div", { class: "chart" });
    place.append(make("h3", {}, title), chart);
    if (series.length > 1) place.append(make("p", { class: "legend" }, series.flatMap(({ name, colour }) => [symbolOf({ colour, dash: "" }), ` ${name} `])));
    drawFigure(chart, describeCourse(series, unit, isStepped), { label: title });
  }
  if (!drawn.length) place.append(make("p", { class: "note" }, "The course of power was not kept for this experiment."));
}

function describeCourse(series, unit, isStepped) {
  const rows = series.flatMap((one) => one.rows);
  const axis = (title, most) => ({ title, scale: "linear", limits: [0, most || 1], names: null, ticks: null, is_labelled: true, slant: 0, second: null, factor: 1 });
  const layers = series.map((one) => ({ mark: "line", x: "x", y: "y", colour: one.colour, size: 1.5, opacity: 1, is_stepped: isStepped, tips: [], rows: one.rows }));
  const [x, y] = ["x", "y"].map((name) => Math.max(...rows.map((row) => row[name])));
  return { columns: 1, heights: [COURSE_PX + 36], panels: [{ title: "", x: axis("time in s", x), y: axis(unit, 1.05 * y), layers, stars: [] }] };
}
