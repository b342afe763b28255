// Shows one run. The server sends all events since its start, also to clients that connect late.

const META = JSON.parse(document.getElementById("meta").textContent);
const element = (id) => document.getElementById(id);
const told = (text) => (element("told").textContent = text);
const MOST_POINTS_DRAWN = 400;
// Numbers are updated with each event. Charts are drawn less often: on a small machine drawing slows the run.
const DRAW_EVERY_MS = 1000;
// Time after which all events of a run so far have come, also to a page that was loaded again.
const SETTLED_MS = 400;
let points = [];
let latest = null;
let isPaused = false;
// A replay has no network that could be asked.
let hasNetwork = false;

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
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  try {
    const answer = await fetch(name, request);
    if (!answer.ok) told((await answer.json()).error);
  } catch {
    told("joules live does not answer: start it again");
  }
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

const stopNow = () => latest?.stops[element("rule").value] ?? null;

// The largest of some units in which a number is at least one.
function inUnit(value, units) {
  const [unit, size] = Object.entries(units).find(([, each]) => Math.abs(value) >= each) ?? Object.entries(units).at(-1);
  return `${say(value / size)} ${unit}`;
}
const GRAMS = { t: 1e6, kg: 1e3, g: 1, mg: 1e-3, "µg": 1e-6 };
const KWH = { GWh: 1e6, MWh: 1e3, kWh: 1, Wh: 1e-3, mWh: 1e-6 };
const DOLLARS = { "US dollars": 1, "US cents": 1e-2 };

const gridNow = () => META.grids.find((each) => each.region === element("region").value);

// What an energy means: name and words of each.
function meaning(energy_j) {
  const { kwh, usd } = META.impact;
  return [
    ["energy", inUnit(energy_j * kwh, KWH)],
    ["carbon", `${inUnit(energy_j * kwh * gridNow().g_per_kwh, GRAMS)} CO₂e`],
    ["money", inUnit(energy_j * usd, DOLLARS)],
  ];
}

function list(pairs) {
  return pairs.flatMap(([name, text]) => ["dt", "dd"].map((tag, number) => Object.assign(document.createElement(tag), { textContent: [name, text][number] })));
}

function side(kind, title, number, pairs) {
  const box = Object.assign(document.createElement("div"), { className: `side ${kind}` });
  const facts = document.createElement("dl");
  facts.append(...list(pairs));
  box.append(title, Object.assign(document.createElement("b"), { textContent: number }), facts);
  return box;
}

function tick() {
  const stop = stopNow();
  const { kwh, usd, household_h, phone_charges } = META.impact;
  const until_j = latest ? Math.min(latest.energy_j, stop?.energy_j ?? Infinity) : 0;
  const wasted_j = stop?.wasted_j ?? 0;
  element("sides").replaceChildren(
    side("usual", "Usual training", latest ? banded(latest.energy_j, latest.energy_low_j, latest.energy_high_j, "J") : "– J", meaning(latest?.energy_j ?? 0)),
    side("stopped", stop ? `Stopped by the rule at step ${say(stop.step, 6)}` : "Stopped by the rule: not yet", latest ? `${say(until_j)} J` : "– J", meaning(until_j)),
    side("wasted", "Wasted since then", stop ? banded(wasted_j, stop.wasted_low_j, stop.wasted_high_j, "J") : "not yet",
      [...meaning(wasted_j).slice(1), ["share", stop ? `${say((100 * wasted_j) / latest.energy_j)} %` : "–"]]),
  );
  const facts = [
    ["step", latest ? say(latest.step, 6) : "–"],
    ["time", latest ? `${say(latest.time_s)} s` : "–"],
    ["held-out pairs right", latest ? `${say(100 * latest.accuracy)} %` : "–"],
    ["training pairs right", latest ? `${say(100 * latest.train_accuracy)} %` : "–"],
    ["grokked", latest?.grok_step ? `at step ${say(latest.grok_step, 6)}` : "not yet"],
    ["predicted to grok", prediction()],
  ];
  element("facts").replaceChildren(...facts.map(([name, text]) => {
    const part = document.createElement("span");
    part.append(`${name} `, Object.assign(document.createElement("b"), { textContent: text }));
    return part;
  }));
  const times = Math.round(10 ** Number(element("fleet").value));
  element("times").textContent = `${times.toLocaleString("en")} runs`;
  const fleet_j = times * wasted_j;
  const inYear = (value, unit) => (stop ? `${say(value)} ${unit}` : "–");
  element("year").replaceChildren(...list([
    ["wasted", stop ? inUnit(fleet_j * kwh, KWH) : "–"],
    ["carbon", stop ? `${inUnit(fleet_j * kwh * gridNow().g_per_kwh, GRAMS)} CO₂e` : "–"],
    ["money", inYear(fleet_j * usd, "US dollars")],
    ["charges of a phone", inYear(fleet_j * phone_charges, "")],
    ["driven by car", inYear((fleet_j * kwh * gridNow().g_per_kwh) / META.car_g_per_km, "km")],
    ["a U.S. household", inYear((fleet_j * household_h) / 24, "days")],
  ]));
}

// The predicted step, and what became of the prediction.
function prediction() {
  if (!latest?.predicted_step) return "not yet";
  const [step, low, high] = latest.predicted_step;
  const outcome = latest.prediction_outcome ? `: ${latest.prediction_outcome}` : "";
  return `step ${say(step)} (${say(low)} to ${say(high)})${outcome}`;
}

for (const id of ["region", "fleet"]) element(id).addEventListener("input", tick);
element("rule").addEventListener("input", () => {
  tick();
  redraw();
});

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
    hasNetwork = event.can_be_asked;
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
    hasNetwork = false;
    over("Stopped.");
  },
  ends() {
    over(hasNetwork ? "The run has ended. Its network can still be asked." : "The run has ended.");
    setTimeout(askAgain, SETTLED_MS);
  },
  failed(event) {
    hasNetwork = false;
    over(`The run failed: ${event.reason}`);
  },
  answers(event) {
    for (const answer of event.answers) noteAnswer(answer);
    showAnswers();
  },
};

function anew() {
  hasNetwork = false;
  points = [];
  latest = null;
  drawn_ms = -Infinity;
  setPaused(false);
  asked = new Map();
  showAnswers();
  tick();
  redraw();
}

function over(words) {
  setOn(false);
  setPaused(false);
  redraw();
  told(words);
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

const phone_wh = (1000 * META.impact.kwh) / META.impact.phone_charges;
element("factors").textContent = `Phones: ${say(phone_wh)} Wh a charge; cars: ${say(META.car_g_per_km)} g of CO₂ a kilometre (U.S. EPA).`;

addEventListener("DOMContentLoaded", () => {
  tick();
  listen();
});
