"use strict";
// Claims, numbers, tables, and the search over all of them.

async function showClaims() {
  const claims = await csv(claimsFile);
  const under = Object.keys(claims[0] ?? {}).filter((column) => column.startsWith("under_"));
  const judged = ["verdict", "campaign_verdict", "uncorrected_verdict", "unflagged_verdict", ...under].filter((column) => claims.some((claim) => claim[column]));
  const verdicts = [...new Set(claims.flatMap((claim) => judged.map((column) => claim[column])))].filter(Boolean).sort();
  const place = make("div");

  function fill() {
    const column = remembered("judged") || "verdict";
    const wanted = remembered("wanted");
    const shown = claims.filter((claim) => !wanted || claim[column] === wanted);
    place.replaceChildren(grid(shown, {
      caption: `${shown.length} of ${claims.length} claims`,
      key: "claims",
      stacks: true,
      columns: [column, "statement", "experiment", "kind", "declaration", "estimate", "ci_low", "ci_high", "comparison", "value"].filter((name) => name in (claims[0] ?? {})),
      meanings: META.meanings.claims,
      cell: (row, name) => (name === "statement" ? link(["claim", row.claim], row.statement) : name === column && row[column] ? verdict(row[column]) : null),
    }));
  }

  const named = (names) => Object.fromEntries(names.map((name) => [name, spaced(name)]));
  show("Claims",
    make("div", { class: "controls" },
      choose("judged", "judged by", named(judged), fill, "verdict"),
      choose("wanted", "verdict", { "": "all", ...named(verdicts) }, fill),
      downloadCsv(claimsFile), copyLink()),
    place);
  fill();
}

async function showClaim(name) {
  const claim = (await csv(claimsFile)).find((each) => each.claim === name);
  if (!claim) return showMissing(`claim called ${name}`);
  const evidence = (await tableOf("campaign", "evidence")).filter((row) => row.claim === name);
  show(claim.statement,
    make("p", {}, verdict(claim.verdict)),
    make("p", {}, "Decided by ", link(["statistic", claim.experiment, claim.statistic], claim.statistic)),
    evidence.length
      ? grid(evidence, {
          caption: "Evidence",
          key: "evidence",
          columns: ["evidence", "verdict", "estimate", "ci_low", "ci_high", "n", "provenance", "asked"],
          cell: (row, column) => (column === "verdict" ? verdict(row.verdict) : null),
        })
      : null,
    facts(Object.entries(claim).filter(([column]) => column !== "statement" && column !== "verdict")));
}

async function showValues() {
  const values = await csv(valuesFile);
  show("Numbers of the paper", valuesTable(values, `${values.length} numbers and words`), make("div", { class: "controls" }, downloadCsv(valuesFile)));
}

// Units are those of LaTeX's siunitx.
const unitOf = (value) => (value.unit ?? "").replaceAll("\\", " ").trim();

function valuesTable(rows, caption) {
  return grid(rows, {
    caption,
    key: "values",
    columns: ["key", "printed", "unit", "experiment", "source"],
    cell: (row, column) => (column === "key" ? link(["value", row.key], row.key) : column === "unit" ? unitOf(row) : null),
  });
}

async function showValue(key) {
  const value = (await csv(valuesFile)).find((each) => each.key === key);
  if (!value) return showMissing(`number with the key ${key}`);
  const [, table] = String(value.source).match(/(\w+)\.csv/) ?? [];
  const [, row] = String(value.source).match(/(?:statistic|claim) == '([^']*)'/) ?? [];
  const path = table === "claims" && (await csv(claimsFile)).some((claim) => claim.claim === row)
    ? ["claim", row]
    : table === "statistics" && row
      ? ["statistic", value.experiment, row]
      : table && FILES.has(tableFile(value.experiment, table)) ? ["table", value.experiment, table] : null;
  show(value.key,
    facts([
      ["printed", `${value.printed} ${unitOf(value)}`.trim()],
      ["raw", value.raw],
      ["range over power models", value.band_low === null ? null : `${printed(value.band_low)} to ${printed(value.band_high)}`],
      ["from", path ? link(path, value.source) : value.source],
      ["experiment", value.experiment],
    ]),
    make("div", { class: "controls" }, copyLink()));
}

async function showTable(question, table) {
  const file = tableFile(question, table);
  if (!FILES.has(file)) return showMissing(`table ${table} of ${question}`);
  const rows = await csv(file);
  const meanings = META.meanings[`${question}/${table}`] ?? {};
  show(`${question}/${table}.csv`,
    make("div", { class: "controls" }, downloadCsv(file), copyLink()),
    grid(rows, {
      caption: `${rows.length} rows`,
      meanings,
      cell: (row, column) => {
        if (column === "statistic") return link(["statistic", row.experiment ?? question, row.statistic], row.statistic);
        if (column !== "arm" || !row.arm) return null;
        const hasBlock = row.block !== null && row.block !== undefined;
        return link(hasBlock ? ["run", question, String(row.block), row.arm] : ["arm", question, row.arm], row.arm);
      },
    }),
    Object.keys(meanings).length ? [make("h3", {}, "Columns"), facts(Object.entries(meanings))] : null);
}

const tables = () => Object.keys(META.meanings).filter((name) => name.includes("/")).map((name) => name.split("/"));

function showTables() {
  const others = META.files.filter((name) => !name.includes("/tables/"));
  show("Tables",
    META.questions.map((question) => listed(question.title, tables().filter(([name]) => name === question.name).map((path) => link(["table", ...path], `${path[1]}.csv`)))),
    make("h3", {}, "Records and other files"),
    make("ul", {}, others.map((name) => make("li", {}, name))));
}

async function showSearch(text) {
  const needle = text.trim().toLowerCase();
  const has = (...parts) => parts.some((part) => String(part ?? "").toLowerCase().includes(needle));
  const values = (await csv(valuesFile)).filter((value) => has(value.key, value.printed, value.raw));
  const claims = (await csv(claimsFile)).filter((claim) => has(claim.claim, claim.statement));
  const figures = META.questions.flatMap((question) => question.figures).filter((figure) => has(spaced(figure.name), figure.name, figure.caption));
  const arms = [];
  for (const { name } of META.questions) {
    const names = new Set((await tableOf(name, "runs")).map((run) => run.arm).filter((arm) => has(arm)));
    arms.push(...[...names].map((arm) => [name, arm]));
  }
  const named = tables().filter(([question, table]) => has(`${table}.csv`, `${question}/${table}`));
  const columns = tables().flatMap(([question, table]) =>
    Object.entries(META.meanings[`${question}/${table}`]).filter(([column, meaning]) => has(column, meaning)).map(([column, meaning]) => [question, table, column, meaning]));
  const found = values.length + claims.length + figures.length + arms.length + named.length + columns.length;
  show(`${found} found for “${text}”`,
    listed("Tables", named.map(([question, table]) => link(["table", question, table], `${question}/${table}.csv`))),
    listed("Claims", claims.map((claim) => link(["claim", claim.claim], claim.statement))),
    listed("Figures", figures.map((figure) => link(["figure", figure.name], spaced(figure.name)))),
    listed("Arms", arms.map(([question, arm]) => link(["arm", question, arm], `${arm} (${question})`))),
    values.length ? valuesTable(values, `${values.length} numbers of the paper`) : null,
    columns.length
      ? grid(columns.map(([question, table, column, meaning]) => ({ column, table: `${question}/${table}.csv`, meaning, question, name: table })), {
          caption: `${columns.length} columns of tables`,
          key: "columns",
          columns: ["column", "table", "meaning"],
          cell: (row, column) => (column === "table" ? link(["table", row.question, row.name], row.table) : null),
        })
      : null);
}
