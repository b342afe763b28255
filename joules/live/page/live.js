"use strict";
// Shows one run. The server sends all events since its start, also to clients that connect late.

const META = JSON.parse(document.getElementById("meta").textContent);
const element = (id) => document.getElementById(id);
const told = (text) => (element("told").textContent = text);
const MOST_POINTS_DRAWN = 400;
// Numbers are updated with each event. Charts are drawn less often: on a small machine drawing slows the run.
const DRAW_EVERY_MS = 3000;
let points = [];
let latest = null;
let isPaused = false;

// --- choices -----------------------------------------------------------------------------------------------

function field(name, schema) {
  const label = document.createElement("label");
  const input = document.createElement(schema.enum ? "select" : "input");
  input.name = name;
  if (schema.enum) {
    input.append(...schema.enum.map((value) => new Option(value, value, value === schema.default, value === schema.default)));
  } else {
    input.type = "number";
    input.step = schema.type === "integer" ? "1" : "any";
    input.min = schema.minimum;
    input.max = schema.maximum;
    input.value = schema.default;
  }
  label.append(name.replaceAll("_", " "), input);
  return label;
}

for (const [name, schema] of Object.entries(META.choices.properties)) element("fields").append(field(name, schema));
element("rule").append(...Object.entries(META.rules).map(([name, words]) => new Option(words, name)));
element("recorded").append(...META.replays.map((name) => new Option(name, name)));
element("replay").hidden = !META.replays.length;
element("region").append(
  ...META.grids.map((grid) => {
    const isChosen = grid.region === META.region;
    return new Option(`${grid.name}, ${say(grid.g_per_kwh)} g/kWh`, grid.region, isChosen, isChosen);
  }),
);

async function act(name, body = {}) {
  const answer = await fetch(name, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) told((await answer.json()).error);
}

element("choices").addEventListener("submit", (event) => {
  event.preventDefault();
  const inputs = [...element("fields").querySelectorAll("input, select")];
  act("begin", Object.fromEntries(inputs.map((each) => [each.name, each.type === "number" ? Number(each.value) : each.value])));
});
element("replay").addEventListener("submit", (event) => {
  event.preventDefault();
  act("replay", { name: element("recorded").value, speed: Number(element("speed").value) });
});
element("stop").addEventListener("click", () => act("end"));
element("pause").addEventListener("click", () => act(isPaused ? "resume" : "pause"));
element("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  act("ask", { a: Number(element("a").value), b: Number(element("b").value) });
});
element("draw").addEventListener("click", () => act("ask"));

function setOn(isOn) {
  element("pause").disabled = element("stop").disabled = !isOn;
}

function setPaused(now) {
  isPaused = now;
  element("pause").textContent = isPaused ? "Resume" : "Pause";
}

// --- numbers -----------------------------------------------------------------------------------------------

function say(number, digits = 3) {
  if (number === null || number === undefined || !Number.isFinite(number)) return "–";
  return Number(number.toPrecision(digits)).toLocaleString("en", { maximumFractionDigits: 12 });
}

// A number with its range over power models, if it has one.
function banded(middle, low, high, unit) {
  if (middle === null || middle === undefined) return "–";
  const band = high - low > 1e-9 * Math.abs(middle) ? ` (${say(low)} to ${say(high)})` : "";
  return `${say(middle)}${band} ${unit}`;
}

function numbers(place, pairs) {
  element(place).replaceChildren(
    ...pairs.map(([name, text]) => {
      const box = document.createElement("div");
      const bold = document.createElement("b");
      bold.textContent = text;
      box.append(name, bold);
      return box;
    }),
  );
}

const stopNow = () => latest?.stops[element("rule").value] ?? null;

// The predicted step, and whether it was right.
function prediction() {
  if (!latest?.predicted_step) return "not yet";
  const [step, low, high] = latest.predicted_step;
  const outcome = latest.grok_step === null ? "" : latest.grok_step >= low && latest.grok_step <= high ? ": hit" : ": missed";
  return `step ${say(step)} (${say(low)} to ${say(high)})${outcome}`;
}

function tick() {
  const stop = stopNow();
  const scaled = (factor, unit) =>
    stop ? banded(stop.wasted_j * factor, stop.wasted_low_j * factor, stop.wasted_high_j * factor, unit) : "–";
  const grid = META.grids.find((each) => each.region === element("region").value);
  const { kwh, usd, household_h, boiled_litres, lamp_h } = META.impact;
  element("waste").textContent = stop ? `${scaled(1, "J")} since step ${stop.step}` : "not yet";
  numbers("numbers", [
    ["energy", latest ? banded(latest.energy_j, latest.energy_low_j, latest.energy_high_j, "J") : "–"],
    ["time", latest ? `${say(latest.time_s)} s` : "–"],
    ["step", latest ? say(latest.step, 6) : "–"],
    ["accuracy, held-out pairs", latest ? `${say(100 * latest.accuracy)} %` : "–"],
    ["accuracy, training pairs", latest ? `${say(100 * latest.train_accuracy)} %` : "–"],
    ["has grokked", latest?.grok_step ? `at step ${latest.grok_step}` : "not yet"],
    ["predicted to grok", prediction()],
    ["wasted share", stop ? `${say((100 * stop.wasted_j) / latest.energy_j)} %` : "–"],
    ["wasted", scaled(1 / 3600, "Wh")],
    ["light of a 10 W lamp", scaled(lamp_h * 60, "minutes")],
  ]);
  const times = Math.round(10 ** Number(element("fleet").value));
  element("times").textContent = `${times.toLocaleString("en")} runs`;
  numbers("year", [
    ["wasted per year", scaled(times * kwh, "kWh")],
    ["carbon dioxide", scaled((times * kwh * grid.g_per_kwh) / 1000, "kg")],
    ["money", scaled(times * usd, "US dollars")],
    ["water boiled", scaled(times * boiled_litres, "litres")],
    ["average U.S. household", scaled((times * household_h) / 24, "days")],
  ]);
}

for (const id of ["region", "fleet"]) element(id).addEventListener("input", tick);
element("rule").addEventListener("input", () => {
  tick();
  redraw();
});

// --- charts ------------------------------------------------------------------------------------------------

const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;
const time = { field: "time_s", type: "quantitative", title: "time in s", scale: { domainMin: 0, nice: false } };
// Marks of every chart, each on its own line.
const MARKED = ["rule stops", "grokked", "predicted"];

function lines(names, title, description) {
  const fields = Object.keys(names);
  return {
    description,
    width: "container",
    height: 130,
    layer: [
      {
        data: { name: "points" },
        transform: [
          { fold: fields, as: ["field", "value"] },
          { calculate: `${JSON.stringify(names)}[datum.field]`, as: "what" },
          { filter: "isValid(datum.value)" },
        ],
        mark: { type: "line" },
        encoding: {
          x: time,
          y: { field: "value", type: "quantitative", title },
          color: { field: "what", type: "nominal", title: "", scale: { range: ["#0072B2", "#D55E00", "#009E73"] } },
          strokeDash: { field: "what", type: "nominal", title: "" },
        },
      },
      {
        data: { name: "marks" },
        mark: { type: "rule", strokeDash: [4, 4], color: "#7F7F7F" },
        encoding: { x: time },
      },
      ...MARKED.map((words, line) => ({
        data: { name: "marks" },
        transform: [{ filter: `datum.words === "${words}"` }],
        mark: { type: "text", align: "left", dx: 3, dy: 12 * line - 58, color: isDark() ? "#ececec" : "#1b1b1b" },
        encoding: { x: time, text: { field: "words" } },
      })),
    ],
    // Aligns the time axes of all charts.
    config: { legend: { orient: "top" }, axisY: { minExtent: 40, maxExtent: 40 } },
  };
}

const CHARTS = {
  accuracy: lines({ accuracy: "held out", train_accuracy: "training" }, "accuracy", "Accuracy over time, on held-out and on training pairs."),
  energy: lines({ energy_j: "full schedule", stopped_j: "stopped by the rule" }, "energy in J", "Energy over time, of the full schedule and as stopped by the rule."),
  power: lines({ power_w: "power" }, "power in W", "Power over time."),
  norm: lines({ loss: "loss, held out", train_loss: "loss, training", weight_norm: "weight norm / 10" }, "loss, norm", "Losses, and one tenth of the weight norm, over time."),
};
let views = {};
let isDrawing = false;
let isStale = false;
let drawn_ms = -Infinity;

// One drawing at a time; later events are drawn together after it.
async function redraw() {
  isStale = true;
  if (isDrawing) return;
  isDrawing = true;
  while (isStale) {
    isStale = false;
    drawn_ms = performance.now();
    await drawOnce();
  }
  isDrawing = false;
}

async function viewOf(name) {
  if (!views[name]) {
    const made = await vegaEmbed(element(name), { ...CHARTS[name], datasets: { points: [], marks: [] } }, {
      renderer: "canvas",
      actions: false,
      theme: isDark() ? "dark" : undefined,
      config: { background: "transparent" },
      // Without warnings about empty data.
      logLevel: 1,
    });
    views[name] = made.view;
  }
  return views[name];
}

async function drawOnce() {
  if (!latest) {
    for (const view of Object.values(views)) view.finalize();
    for (const name of Object.keys(CHARTS)) element(name).replaceChildren();
    views = {};
    return;
  }
  const stop = stopNow();
  const stride = Math.max(1, Math.ceil(points.length / MOST_POINTS_DRAWN));
  const shown = points
    .filter((point, place) => place % stride === 0 || place === points.length - 1)
    .map((point) => ({
      ...point,
      weight_norm: point.weight_norm / 10,
      stopped_j: stop ? Math.min(point.energy_j, stop.energy_j) : point.energy_j,
    }));
  const marks = [];
  const at = (step) => points.find((point) => point.step >= step)?.time_s;
  if (stop) marks.push({ time_s: at(stop.step), words: MARKED[0] });
  if (latest?.grok_step) marks.push({ time_s: at(latest.grok_step), words: MARKED[1] });
  if (latest?.predicted_step) {
    const step = latest.predicted_step[0];
    // Assumes steps of equal duration.
    marks.push({ time_s: (latest.time_s * step) / latest.step, words: MARKED[2] });
  }
  for (const name of Object.keys(CHARTS)) {
    const view = await viewOf(name);
    await view.data("points", shown).data("marks", marks).resize().runAsync();
  }
}

// --- events ------------------------------------------------------------------------------------------------

const HEARD = {
  waits(event) {
    setOn(true);
    told(event.reason);
  },
  prepares() {
    anew();
    setOn(true);
    told("Preparing the meter and the workload.");
  },
  begins(event) {
    anew();
    setOn(true);
    const { task, architecture } = event.parameters;
    const read = Object.entries(event.provenance).map(([domain, how]) => `${domain} ${how}`);
    told(`Training: ${architecture}, task ${task}, seed ${event.seed}. Energy: ${read.join(", ")}.`);
  },
  seen(event) {
    points.push(...event.points);
    latest = points.at(-1);
    tick();
    if (performance.now() - drawn_ms > DRAW_EVERY_MS) redraw();
  },
  paused() {
    setPaused(true);
    redraw();
    told("Paused.");
  },
  resumed() {
    setPaused(false);
    told("Resumed.");
  },
  stopped() {
    over("Stopped.");
  },
  ends() {
    over("The run has ended.");
  },
  failed(event) {
    over(`The run failed: ${event.reason}`);
  },
  answers(event) {
    for (const answer of event.answers) showAnswer(answer);
  },
};

function anew() {
  points = [];
  latest = null;
  drawn_ms = -Infinity;
  setPaused(false);
  element("answers").replaceChildren();
  tick();
  redraw();
}

function over(words) {
  setOn(false);
  setPaused(false);
  redraw();
  told(words);
}

function showAnswer({ a, b, answer, right, is_held_out, shares }) {
  const line = document.createElement("p");
  const isRight = answer === right;
  const verdict = right === null ? "not defined" : isRight ? "right" : `wrong, the answer is ${right}`;
  const best = shares.map((share, number) => [share, number]).sort((one, other) => other[0] - one[0]).slice(0, 3);
  line.className = isRight ? "right" : "wrong";
  line.textContent =
    `${a} ∘ ${b} = ${answer}: ${verdict} (step ${latest?.step ?? 0}, ${is_held_out ? "held out" : "training"}; ` +
    `${best.map(([share, number]) => `${number} with ${say(100 * share)} %`).join(", ")})`;
  element("answers").prepend(line);
}

function listen() {
  const source = new EventSource("events");
  source.addEventListener("reset", () => {
    setOn(false);
    anew();
  });
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    HEARD[event.event]?.(event);
  };
  source.onerror = () => told("No connection to the server: it has ended or is busy.");
}

tick();
listen();
