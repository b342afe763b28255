"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

import numpy as np

from experiments.estimation_methods.methods import METHODS
from joules.analysis import records
from joules.analysis.drawing.description import (
    Axis,
    Figure,
    Layer,
    Panel,
    Tables,
    describe_provenance,
    draw_bands,
    draw_reference,
)
from joules.analysis.drawing.palette import BLUE, COLOURS, INK, PALE, Look
from joules.analysis.sensitivity import HIGH

# Estimates within this relative difference of the reading are also shown on a linear axis.
_CLOSE = 0.1
_LEVELS = ("world", "country", "region")


def methods_ratio(tables: Tables) -> Figure:
    """Estimate divided by reading: one column of panels per workload, one row per method.

    The upper panels share a logarithmic axis; a grey line is the range of the ratio over power models, so an
    estimate whose line crosses one is inside the range. The lower panels show the estimates close to one on a
    linear axis with five per cent shaded.
    """
    contrasts = tables["statistics"].query("test == 'sign_flip'")
    arms = list(dict.fromkeys(contrasts["family"]))
    names = [name for name in METHODS if name in set(contrasts["group"])]
    far = contrasts.assign(far=np.abs(contrasts["estimate"] - 1) > _CLOSE).groupby("group")["far"].all()
    close = [name for name in names if not far[name]]
    ends = contrasts[["estimate", "ci_low", "ci_high", "band_low", "band_high"]].stack()
    reach = (0.8 * ends[ends > 0].min(), 8 * ends.max()) if len(ends) else (0.1, 10)
    how = describe_provenance(records.select_measured(tables["runs"]))
    note = f"estimate over whole-machine energy ({how})"
    if how != "counter":
        note += ";\ngrey: under other power models, and a line that crosses 1 is inside the band"
    panels = []
    for shown, is_log in ((names, True), (close, False)):
        for arm in arms:
            rows = contrasts[contrasts["family"] == arm].set_index("group").reindex(shown).reset_index()
            rows = rows.assign(place=np.arange(len(rows)), beyond=reach[1] / 4)
            tips = (
                "statistic",
                "n",
                "estimate",
                "ci_low",
                "ci_high",
                "band_low",
                "band_high",
                "p_holm",
                "stars",
            )
            layers = [
                draw_reference(x=1),
                Layer("rule", rows, "band_low", "place", x2="band_high", look=Look(PALE), size=3, tips=tips),
                Layer("rule", rows, "ci_low", "place", x2="ci_high", look=Look(BLUE), size=0.8, tips=tips),
                Layer("point", rows, "estimate", "place", look=Look(BLUE), size=3, tips=tips),
            ]
            if not is_log:
                near = rows.head(1).assign(left=0.95, right=1.05, top=-np.inf, bottom=np.inf)
                shade = Layer("rect", near, "left", "top", "right", "bottom", look=Look(PALE), opacity=0.3)
                layers = [shade, *layers]
            # No stars if the reading is itself modelled: a difference from a model proves nothing.
            elif not contrasts["band_low"].notna().any():
                layers.append(Layer("text", rows, "beyond", "place", text="stars", size=7, align="center"))
            words = [METHODS[name].words for name in shown]
            x = (
                Axis(scale="log", limits=reach, most_ticks=3)
                if is_log
                else Axis(limits=(1 - _CLOSE, 1 + _CLOSE))
            )
            y = Axis(names=words, is_labelled=arm == arms[0])
            panels.append(Panel(layers, x, y, arm.replace("_", " ") if is_log else ""))
    heights = [len(names) + 1, len(close) + 1]
    return Figure(panels, 1.4 + 0.17 * sum(heights), columns=max(len(arms), 1), heights=heights, note=note)


def methods_carbon(tables: Tables) -> Figure:
    """Emissions by place and level, from the cleanest to the dirtiest grid."""
    places = tables["carbon"].sort_values("intensity_g_per_kwh", ascending=False, kind="stable")
    places = places.assign(place_number=np.arange(len(places)), nothing=0.0)
    places = places.assign(top=places["place_number"] - 0.4, bottom=places["place_number"] + 0.4)
    named = places.dropna(subset=["generated_by"])
    # Words stand behind the longest of bar and line.
    ends = named.filter(regex=f"^emissions_g({HIGH})?$")
    named = named.assign(
        words=[f"{row.generated_by} {row.generated_percent:.0f} %" for row in named.itertuples()],
        end=ends.max(axis=1),
    )
    tips = ("place", "level", "emissions_g", "intensity_g_per_kwh", "ratio_to_world", "source")
    layers = [
        Layer("rect", places, "nothing", "top", "emissions_g", "bottom", by="level", tips=tips),
        *draw_bands(places, "emissions_g", y="place_number"),
        Layer("text", named, "end", "place_number", text="words", size=7, look=Look(INK), tips=tips),
    ]
    how = describe_provenance(records.select_measured(tables["runs"]))
    x = Axis(f"emissions in g CO₂e (energy {how})", limits=(0, None))
    series = {level: Look(colour) for level, colour in zip(_LEVELS, COLOURS, strict=False)}
    return Figure([Panel(layers, x, Axis(names=list(places["place"])))], 4.0, series, width=0.8)
