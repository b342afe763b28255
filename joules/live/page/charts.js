// Charts of a run over time.

// As high as the window leaves room for.
const heightNow = () => (matchMedia("(min-width: 60rem) and (min-height: 50rem)").matches ? 300 : 190);
const [BLUE, VERMILION, GREEN] = ["#0072B2", "#D55E00", "#009E73"];
// The lines of each chart: of what, its column and its colour.
const CHARTS = {
  accuracy: { unit: "share right", lines: [["held out", "accuracy", BLUE], ["training", "train_accuracy", VERMILION]] },
  energy: { unit: "energy in J", lines: [["usual training", "energy_j", BLUE], ["stopped", "stopped_j", VERMILION]] },
  power: { unit: "power in W", lines: [["machine", "power_w", BLUE]] },
  norm: { unit: "loss, norm", lines: [["loss, held out", "loss", BLUE], ["loss, training", "train_loss", VERMILION], ["a tenth of the weight norm", "norm", GREEN]] },
};
for (const [name, { lines }] of Object.entries(CHARTS)) {
  element(`of-${name}`).append(...lines.flatMap(([text, , colour]) => [symbolOf({ colour, dash: "" }), ` ${text} `]));
}
let drawn_ms = -Infinity;

function redraw() {
  drawn_ms = performance.now();
  const stop = stopNow();
  const stride = Math.max(1, Math.ceil(points.length / MOST_POINTS_DRAWN));
  const shown = points
    .filter((_, place) => place % stride === 0 || place === points.length - 1)
    .map((point) => ({ ...point, norm: point.weight_norm / 10, stopped_j: stop ? Math.min(point.energy_j, stop.energy_j) : point.energy_j }));
  const at = (step) => points.find((point) => point.step >= step)?.time_s;
  const marks = [];
  if (stop) marks.push({ x: at(stop.step), words: "rule stops" });
  if (latest?.grok_step) marks.push({ x: at(latest.grok_step), words: "grokked" });
  // Assumes steps of equal duration.
  if (latest?.predicted_step) marks.push({ x: (latest.time_s * latest.predicted_step[0]) / latest.step, words: "predicted" });
  for (const name of Object.keys(CHARTS)) {
    if (latest && element(name).clientWidth) drawFigure(element(name), describe(CHARTS[name], shown, marks), { label: `${name} over time` });
    else element(name).replaceChildren();
  }
}

function describe({ unit, lines }, shown, marks) {
  const values = lines.flatMap(([, column]) => shown.map((point) => point[column]).filter((value) => value !== null));
  const high = 1.05 * Math.max(...values, 0) || 1;
  const end = Math.max(...shown.map((point) => point.time_s));
  const axis = (title, limits) => ({ title, scale: "linear", limits, names: null, ticks: null, is_labelled: true, slant: 0, second: null, factor: 1 });
  const layer = { opacity: 1, is_stepped: false, tips: [] };
  const seen = marks.filter((mark) => mark.x <= end).map((mark, number) => ({ ...mark, low: 0, high, y: high * (0.55 - 0.12 * number) }));
  const layers = [
    ...lines.map(([, column, colour]) => ({ ...layer, mark: "line", x: "time_s", y: column, colour, size: 1.6, rows: shown.filter((point) => point[column] !== null) })),
    { ...layer, mark: "rule", x: "x", y: "low", y2: "high", colour: "var(--soft)", size: 1, dash: "4 4", rows: seen },
    { ...layer, mark: "text", x: "x", y: "y", text: "words", align: "left", colour: "var(--ink)", size: 11, rows: seen },
  ];
  return { columns: 1, heights: [heightNow()], panels: [{ title: "", x: axis("time in s", [0, end]), y: axis(unit, [0, high]), layers, stars: [] }] };
}

addEventListener("resize", redraw);
document.querySelector("section details").addEventListener("toggle", redraw);
