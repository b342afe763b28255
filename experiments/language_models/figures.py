"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from experiments.language_models.reaching import RATIO
from joules.analysis import records
from joules.analysis.drawing.description import (
    OF_ARM,
    Axis,
    Figure,
    Layer,
    Panel,
    Tables,
    compare_runs,
    describe_provenance,
    draw_bands,
    draw_reference,
    to_words,
    with_costs,
)
from joules.analysis.drawing.palette import BLUE, GREEN, GREY, INK, VERMILION, Look, assign_looks
from joules.study.design import load_design

_KINDS = {"tables": Look(BLUE), "network": Look(VERMILION, "square"), "both": Look(GREEN, "diamond")}
_SPENT = {
    "energy_per_training_j": "energy of a training in J",
    "time_per_training_s": "time of a training in s",
    "cpu_per_training_s": "processor time of a training in s",
    "model_bytes": "size of the model in bytes",
}


def language_board(tables: Tables) -> Figure:
    """Accuracy against energy, time, processor time and size, one panel each."""
    board = tables["board"]
    board = board.assign(words=to_words(board["arm"]))
    is_out = board["disqualified_blocks"] > 0
    scale = tables["runs"]["scale"].iloc[0]
    gate = load_design("language_models").at(scale).analysis["gate_accuracy"]
    y = "validation_accuracy"
    low, high = f"{y}_low", f"{y}_high"
    panels = []
    for column, words in _SPENT.items():
        tips = (*OF_ARM, "kind", y, low, high, column, "disqualified", "on_front")
        layers = [
            draw_reference(y=gate),
            *draw_bands(board, column, y=y),
            Layer("rule", board, column, low, y2=high, by="kind", size=0.8),
            Layer("point", board[~is_out], column, y, by="kind", size=4.5, tips=tips),
            Layer("point", board[is_out], column, y, by="kind", size=4.5, is_hollow=True, tips=tips),
        ]
        if column == "energy_per_training_j":
            front = board[board["on_front"].astype(bool)].sort_values(column)
            layers.insert(1, Layer("line", front, column, y, size=0.8, is_stepped=True))
            layers.append(Layer("label", board, column, y, text="words", look=Look(INK)))
        title = (
            f"{words}\n({describe_provenance(board, 'energy_per_training_j')})"
            if column == "energy_per_training_j"
            else words
        )
        panels.append(Panel(layers, Axis(title, "log"), Axis("validation accuracy")))
    return Figure(panels, 5.4, _KINDS, columns=2)


def language_reached(tables: Tables) -> Figure:
    """Accuracy of networks during training, and of tables of all orders, against energy."""
    curves, board, runs = tables["curves"], tables["board"], tables["runs"]
    whole = runs[(runs["entry"] == "kneser_ney") & (runs["share"] == 1)]
    chain = board[board["arm"].isin(set(whole["arm"]) - {"deep_backoff", "kneser_ney_8_one_discount"})]
    curves = curves.assign(words=to_words(curves["arm"]))
    costs = {
        "energy": (
            "energy_j",
            "energy_per_training_j",
            f"energy in J ({describe_provenance(board, 'energy_per_training_j')})",
        ),
        "time": ("duration_s", "time_per_training_s", "time in s"),
    }
    by_order, tips = "tables, by order", ("arm", "block", "step", "accuracy", "energy_j", "duration_s")
    series = assign_looks(curves["words"]) | {by_order: Look(GREY)}
    made = {}
    for cost, (spent, whole_cost, title) in costs.items():
        layers = [
            Layer("line", curves, spent, "accuracy", by="words", within="block", size=0.8, tips=tips),
            Layer("line", chain, whole_cost, "validation_accuracy", name=by_order),
            Layer("point", chain, whole_cost, "validation_accuracy", name=by_order, size=3, tips=OF_ARM),
        ]
        panel = Panel(layers, Axis(title, "log"), Axis("validation accuracy"))
        made[cost] = Figure([panel], 3.8, series, width=0.8)
    return with_costs(made)


def language_ratio(tables: Tables) -> Figure:
    """Ratio of the cheapest network to the cheapest tables over the accuracy."""
    rows = tables["statistics"].query("family == 'reached' and test == 'none'").dropna(subset=["ci_low"])
    rows = rows[~rows["statistic"].str.endswith("growth")]
    if rows.empty:
        return Figure((), note="no network reached an accuracy in every block")
    level = rows["statistic"].str.removeprefix(f"{RATIO}.").astype(float)
    ends = {f"band_{end}": f"estimate_band_{end}" for end in ("low", "high")}
    rows = rows.rename(columns=ends).assign(
        level=level, network=to_words(rows["group"]), tables=to_words(rows["base"])
    )
    rules = load_design("language_models").at(tables["runs"]["scale"].iloc[0]).analysis
    layers = [
        draw_reference(x=rules["least_level"]),
        draw_reference(x=rules["most_level"]),
        *draw_bands(rows, "estimate", x="level"),
        Layer("line", rows, "level", "estimate", size=1),
        Layer("rule", rows, "level", "ci_low", y2="ci_high", size=0.8),
        Layer(
            "point",
            rows,
            "level",
            "estimate",
            size=4,
            tips=("level", "network", "tables", "n", "estimate", "ci_low", "ci_high"),
        ),
    ]
    how = describe_provenance(tables["board"], "energy_per_training_j")
    y = Axis(f"energy of networks over tables\n({how})", "log")
    return Figure([Panel(layers, Axis("validation accuracy"), y)], 3.2, width=0.7)


def language_ranking(tables: Tables) -> Figure:
    """Energy of a run by entry of the board, the cheapest first, with stars."""
    board, runs = tables["board"], records.select_measured(tables["runs"])
    on_board = board[board["disqualified_blocks"] == 0].sort_values("energy_per_training_j")
    if on_board.empty:
        return Figure((), note="every entry is disqualified")
    words = dict(zip(on_board["arm"], to_words(on_board["arm"], "\n"), strict=True))
    made = {}
    for cost, column in zip(("energy", "time", "cpu"), _SPENT, strict=False):
        tested = tables["statistics"].query("family == 'board' and metric == @column")
        title = (
            f"{_SPENT[column]}\n({describe_provenance(board, 'energy_per_training_j')})"
            if cost == "energy"
            else _SPENT[column]
        )
        panel = compare_runs(runs, "arm", column, words, tested, Axis(title, "log"), arms=on_board)
        made[cost] = Figure([panel], 3.6, width=0.8)
    return with_costs(made)
