"use strict";
// Draws the figures that page_renderer.py describes, as SVG. Colours of the page are the variables --ink, --ground
// and --band, so that a chart follows a change between light and dark by itself.

const LEAST_PANEL = 230;
const [LINE, LEVEL, GAP] = [14, 17, 14];
const FONT = "11px system-ui, sans-serif";
const FORWARD = { linear: Number, log: Math.log, symlog: Math.asinh };
// Of radius 1.
const SHAPES = {
  circle: "M1,0A1,1 0 1 1 1,-.001Z",
  square: "M-.9,-.9H.9V.9H-.9Z",
  "triangle-up": "M0,-1.1L1.1,.9H-1.1Z",
  diamond: "M0,-1.2L1.2,0L0,1.2L-1.2,0Z",
  "triangle-down": "M0,1.1L1.1,-.9H-1.1Z",
  cross: "M-.4,-1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
};

let clips = 0;
const ruler = document.createElement("canvas").getContext("2d");

function widthOf(text) {
  ruler.font = FONT;
  return ruler.measureText(text).width;
}

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== "") element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function words(text, x, y, { anchor = "middle", turn = 0, ...rest } = {}) {
  return svg("text", { x, y, "text-anchor": anchor, fill: "var(--ink)", transform: turn ? `rotate(${turn} ${x} ${y})` : null, ...rest }, text);
}

const symbol = (shape, x, y, radius, attributes) =>
  svg("path", { d: SHAPES[shape], transform: `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${radius})`, "vector-effect": "non-scaling-stroke", ...attributes });

// What a series looks like: its line, its point, or else its area.
function symbolOf({ colour, shape, dash, opacity }) {
  const drawn = svg("svg", { width: 22, height: 12, "aria-hidden": "true" });
  if (dash !== null) drawn.append(svg("path", { d: "M0,6H22", stroke: colour, "stroke-width": 2, "stroke-dasharray": dash }));
  if (shape) drawn.append(symbol(shape, 11, 6, 4, { fill: colour }));
  if (dash === null && !shape) drawn.append(svg("rect", { width: 22, height: 12, fill: colour, opacity }));
  return drawn;
}

// --- axes --------------------------------------------------------------------------------------------------

function spell(value) {
  if (value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5)) return String(Number(value.toPrecision(6)));
  const [digits, power] = value.toExponential().split("e");
  const raised = [...String(Number(power))].map((digit) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(digit)]).join("");
  return Number(digits) === 1 ? `10${raised}` : `${Number(Number(digits).toPrecision(3))}×10${raised}`;
}

function divide([low, high], most) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((digit) => digit * power >= rough);
  const count = Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1;
  return Array.from({ length: count }, (_, number) => (Math.ceil(low / step - 1e-9) + number) * step).map((place) => [place, spell(place)]);
}

// Text in lines that are no wider than they may be, where words allow it.
function wrap(text, width) {
  return text.split("\n").flatMap((line) => line.split(" ").reduce((lines, word) => {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && widthOf(longer) <= width) return [...lines.slice(0, -1), longer];
    return [...lines, word];
  }, []));
}

// An axis as it is drawn along a length: on a linear scale where that is asked for, with its ticks and its title's lines.
function settle(axis, length, { linear, isWhole, title }) {
  const isLinear = linear && axis.scale === "log";
  const scale = isLinear ? "linear" : axis.scale;
  const limits = isLinear ? [0, axis.limits[1]] : axis.limits;
  const isLabelled = axis.is_labelled || !isWhole;
  const ticks = axis.names
    ? axis.names.map((name, place) => [place, isLabelled ? name : ""])
    : (isLinear ? null : axis.ticks) ?? divide(limits, 5);
  const isTight = axis.names && Math.max(...ticks.flatMap(([, text]) => text.split("\n")).map(widthOf)) + 4 > length / ticks.length;
  const written = axis.title || (isWhole ? "" : title);
  return {
    ...axis, scale, limits, ticks,
    slant: axis.slant || (isTight ? 40 : 0),
    lines: written ? wrap(written, length) : [],
    above: axis.second ? wrap(axis.second, length) : [],
  };
}

function scaleOf({ scale, limits }, from, to) {
  const forward = FORWARD[scale];
  const [low, high] = limits.map(forward);
  return (value) => from + ((to - from) * (forward(value) - low)) / (high - low || 1);
}

// Pixels that a panel needs around its plot.
function marginsOf({ panel, x, y }) {
  const longest = (ticks) => Math.max(0, ...ticks.flatMap(([, text]) => text.split("\n")).map(widthOf));
  const across = longest(x.ticks);
  const high = x.slant ? Math.sin((x.slant * Math.PI) / 180) * across + LINE : LINE * Math.max(1, ...x.ticks.map(([, text]) => text.split("\n").length));
  const levels = Math.max(-1, ...panel.stars.map((star) => star.level)) + 1;
  const title = panel.lines.length ? LINE * panel.lines.length + 4 : 6;
  return {
    left: longest(y.ticks) + 9 + LINE * y.lines.length + (y.lines.length ? 4 : 0),
    bottom: high + 8 + LINE * x.lines.length,
    top: title + (levels ? LEVEL * levels + 6 : 0) + (x.second ? LINE * (1 + x.above.length) + 6 : 0),
    // Words may end behind the plot.
    right: Math.max(10, ...panel.layers.filter((layer) => layer.mark === "text" && layer.align === "left").flatMap((layer) =>
      layer.rows.map((row) => 5 + widthOf(String(row[layer.text])) - 90 * (1 - scaleOf(x, 0, 1)(row[layer.x]))))),
  };
}

function drawAxes(group, { panel, x, y }, [across, down], width, height) {
  const line = (d) => svg("path", { d, stroke: "var(--soft)", fill: "none" });
  group.append(line(`M0,0V${height}H${width}`));
  let end = -Infinity;
  for (const [place, text] of x.ticks) {
    const at = across(place);
    if (at < -0.5 || at > width + 0.5) continue;
    group.append(line(`M${at},${height}v4`));
    if (x.slant) {
      group.append(words(text, at + 3, height + 12, { anchor: "end", turn: -x.slant }));
    } else if (at - widthOf(text) / 2 > end || x.names) {
      group.append(...text.split("\n").map((part, number) => words(part, at, height + 15 + LINE * number)));
      end = at + widthOf(text) / 2 + 4;
    }
  }
  for (const [place, text] of y.ticks) {
    const at = down(place);
    if (at < -0.5 || at > height + 0.5) continue;
    group.append(line(`M0,${at}h-4`), words(text, -7, at + 4, { anchor: "end" }));
  }
  const { left, bottom, top } = marginsOf({ panel, x, y });
  x.lines.forEach((text, number) => group.append(words(text, width / 2, height + bottom - 6 - LINE * (x.lines.length - 1 - number))));
  y.lines.forEach((text, number) => {
    const at = -left + LINE * (number + 1) - 2;
    group.append(words(text, at, height / 2, { turn: -90 }));
  });
  if (x.second) {
    const limits = x.limits.map((limit) => limit * x.factor);
    const other = scaleOf({ ...x, limits }, 0, width);
    for (const [place, text] of divide(limits, 5)) {
      group.append(line(`M${other(place)},0v-4`), words(text, other(place), -8));
    }
    x.above.toReversed().forEach((text, number) => group.append(words(text, width / 2, -8 - LINE * (number + 1))));
  }
  panel.lines.forEach((text, number) => group.append(words(text, width / 2, LINE * (number + 1) - top - 1, { "font-size": 12 })));
}

// --- marks -------------------------------------------------------------------------------------------------

const MARKS = {
  point: (layer, row, [x, y]) => symbol(layer.shape, x, y, layer.size / 2, {
    fill: layer.is_hollow ? "var(--ground)" : layer.colour, stroke: layer.colour, "stroke-width": 1,
  }),
  rule: (layer, row, [x, y, x2, y2]) => svg("path", { d: `M${x},${y}L${x2},${y2}`, stroke: layer.colour, "stroke-width": layer.size, "stroke-dasharray": layer.dash }),
  rect: (layer, row, [x, y, x2, y2]) => svg("rect", {
    x: Math.min(x, x2), y: Math.min(y, y2), width: Math.abs(x2 - x), height: Math.abs(y2 - y), fill: layer.fill ? row[layer.fill] : layer.colour,
  }),
  text: (layer, row, [x, y]) => words(String(row[layer.text]), x + { left: 5, center: 0, right: -5 }[layer.align], y + 4, {
    anchor: { left: "start", center: "middle", right: "end" }[layer.align], fill: layer.colour, "font-size": layer.size,
  }),
};

function drawLine(layer, places) {
  const lines = Map.groupBy(places, (place) => place.row[layer.within]);
  const path = (line) => line.map(([x, y], number) => (number ? (layer.is_stepped ? `H${x}V${y}` : `L${x},${y}`) : `M${x},${y}`)).join("");
  return [...lines.values()].map((line) =>
    svg("path", { d: path(line), fill: "none", stroke: layer.colour, "stroke-width": layer.size, "stroke-dasharray": layer.dash }));
}

function drawArea(layer, places) {
  const edge = [...places.map(([x, y]) => `${x},${y}`), ...places.toReversed().map(([x, , , y]) => `${x},${y}`)];
  return [svg("path", { d: `M${edge.join("L")}Z`, fill: layer.colour })];
}

function drawLabels(layer, places, taken, width) {
  return places.flatMap(({ row, 0: x, 1: y }) => {
    const text = String(row[layer.text]);
    const long = widthOf(text);
    for (const [left, low] of [[x + 5, y - 4], [x - 5 - long, y - 4], [x + 5, y + 12], [x - 5 - long, y + 12]]) {
      const box = [left, low - 10, left + long, low + 2];
      const isFree = left >= 0 && left + long <= width && box[1] >= 0 && taken.every((other) => box[2] < other[0] || other[2] < box[0] || box[3] < other[1] || other[3] < box[1]);
      if (!isFree) continue;
      taken.push(box);
      return [words(text, left, low, { anchor: "start", fill: layer.colour, "font-size": 10 })];
    }
    return [];
  });
}

function drawPanel(group, settled, width, height, without, clip) {
  const { panel, x, y } = settled;
  const across = scaleOf(x, 0, width);
  const down = y.names ? scaleOf(y, 0, height) : scaleOf(y, height, 0);
  const marks = [];
  const taken = [];
  drawAxes(group, settled, [across, down], width, height);
  for (const layer of panel.layers) {
    if (layer.series && without.has(layer.series)) continue;
    const places = layer.rows.map((row) => Object.assign(
      [across(row[layer.x]), down(row[layer.y]), across(row[layer.x2 ?? layer.x]), down(row[layer.y2 ?? layer.y])], { row })).filter(([px, py]) =>
      layer.mark === "line" || layer.mark === "area" || layer.mark === "text" || (px > -1 && px < width + 1 && py > -1 && py < height + 1));
    const drawn = svg("g", { class: `mark ${layer.mark}`, opacity: layer.opacity === 1 ? null : layer.opacity });
    if (layer.mark === "label") drawn.append(...drawLabels(layer, places, taken, width));
    else if (layer.mark === "line" || layer.mark === "area") {
      drawn.setAttribute("clip-path", `url(#${clip})`);
      drawn.append(...(layer.mark === "line" ? drawLine : drawArea)(layer, places));
    } else drawn.append(...places.map((place) => MARKS[layer.mark](layer, place.row, place)));
    group.append(drawn);
    if (layer.mark === "point") taken.push(...places.map(([px, py]) => [px - 3, py - 3, px + 3, py + 3]));
    if (layer.mark === "area" || layer.mark === "label") continue;
    places.forEach(({ row, 0: x1, 1: y1, 2: x2, 3: y2 }, number) => {
      if (layer.tips.length || row.statistic || row.arm) {
        marks.push({ row, tips: layer.tips, at: [(x1 + x2) / 2, (y1 + y2) / 2], element: layer.mark === "line" ? null : drawn.children[number] });
      }
    });
  }
  for (const star of panel.stars) {
    const [left, right, high] = [across(star.left), across(star.right), -6 - LEVEL * star.level];
    const text = words(star.mark, (left + right) / 2, high - 2, { class: "star" });
    group.append(svg("path", { d: `M${left},${high + 4}V${high}H${right}V${high + 4}`, stroke: "var(--ink)", fill: "none" }), text);
    marks.push({ row: star, tips: ["statistic", "estimate", "ci_low", "ci_high", "n", "p_holm"], at: [(left + right) / 2, high - 6], element: text });
  }
  return marks;
}

// Of the row in print, less what is written around the plot there too.
const heightOf = (figure, { y }, number) =>
  Math.max(120, figure.heights[Math.floor(number / figure.columns)] - 36, y.names ? y.names.length * 15 : 0);

// Draws a figure into an element, as wide as that is, and returns its marks with their places.
function drawFigure(place, figure, { linear = false, without = new Set(), label = "" } = {}) {
  const room = place.clientWidth;
  const fits = Math.max(1, Math.floor(room / LEAST_PANEL));
  const columns = Array.from({ length: figure.columns }, (_, number) => figure.columns - number).find((count) => count <= fits && figure.columns % count === 0);
  const shared = (axis) => {
    const titles = new Set(figure.panels.map((panel) => panel[axis].title).filter(Boolean));
    return titles.size === 1 ? [...titles][0] : "";
  };
  const isWhole = columns === figure.columns;
  const panels = figure.panels.map((panel, number) => {
    // About the length of the axis: margins are known later.
    const length = Math.max(90, (room - GAP) / columns - 70 - (panel.y.names ? 60 : 0));
    const settled = {
      panel: { ...panel, lines: panel.title ? wrap(panel.title, length + 40) : [] },
      x: settle(panel.x, length, { linear, isWhole: isWhole || number >= figure.panels.length - columns, title: shared("x") }),
      y: settle(panel.y, heightOf(figure, panel, number), { linear, isWhole, title: number % columns ? "" : shared("y") }),
    };
    return { ...settled, margins: marginsOf(settled) };
  });
  const rows = Math.ceil(panels.length / columns);
  const most = (side, is) => Math.max(...panels.filter((_, number) => is(number)).map((panel) => panel.margins[side]));
  const lefts = Array.from({ length: columns }, (_, column) => most("left", (number) => number % columns === column));
  const rights = Array.from({ length: columns }, (_, column) => most("right", (number) => number % columns === column));
  const width = Math.max(90, (room - [...lefts, ...rights].reduce((sum, each) => sum + each, 0) - GAP * (columns - 1)) / columns);
  const drawn = svg("svg", { width: room, role: "img", "aria-label": label, "font-family": "system-ui, sans-serif", "font-size": 11 });
  const marks = [];
  let top = 0;
  for (let row = 0; row < rows; row += 1) {
    const [above, below] = ["top", "bottom"].map((side) => most(side, (number) => Math.floor(number / columns) === row));
    const height = heightOf(figure, panels[row * columns].panel, row * columns);
    let left = 0;
    panels.slice(row * columns, (row + 1) * columns).forEach((panel, column) => {
      left += lefts[column];
      const clip = `clip-${(clips += 1)}`;
      const group = svg("g", { transform: `translate(${left.toFixed(1)} ${(top + above).toFixed(1)})` },
        svg("clipPath", { id: clip }, svg("rect", { width, height })));
      drawn.append(group);
      for (const mark of drawPanel(group, panel, width, height, without, clip)) {
        marks.push({ ...mark, panel: row * columns + column, at: [mark.at[0] + left, mark.at[1] + top + above] });
      }
      left += width + rights[column] + GAP;
    });
    top += above + height + below + (row < rows - 1 ? GAP : 0);
  }
  drawn.setAttribute("height", Math.ceil(top));
  place.replaceChildren(drawn);
  return marks;
}
