"""Writes `docs/reference/power_models.md` from the power models and their errors at the wall.

python docs/power_reference.py
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent))

from experiments.campaign import power, report
from joules.power.calibration import SHOWN_LOADS
from joules.power.metered import read_servers
from joules.power.models import POWER_MODELS
from joules.power.servers import read_rows
from joules.power.trials import try_all

PAGE = Path(__file__).parent / "reference" / "power_models.md"


def main() -> None:
    PAGE.write_text(render_page(), encoding="utf-8")


def render_page() -> str:
    """The page in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    servers = read_servers()
    printed = report.print_calibration(power.calibration(try_all(servers)), power.processor_only())
    yield "# Power models"
    yield ""
    yield (
        "Made from `joules/power` by `docs/power_reference.py`. The reference data are "
        f"{len(servers.year)} servers with published power at the wall at idle and at ten loads "
        "(SPECpower_ssj2008, 2017 and later). [How energy is read](../explanation/energy.md) explains how "
        "the models are used."
    )
    yield ""
    yield "## Formulas"
    yield ""
    yield "| model | power of the machine in W | source |"
    yield "|---|---|---|"
    for name, model in POWER_MODELS.items():
        formula = " ".join((inspect.getdoc(model.power_w) or "").split("\n\n")[0].split())
        yield f"| {model.words} (`{name}`) | {formula} | {model.source} |"
    yield ""
    yield "## The default model, on servers that were left out"
    yield ""
    yield (
        "Typical factor between prediction and wall by load (exp of the median absolute log ratio); the "
        "least and the largest share of servers, over loads, within the 90 % prediction interval that was "
        "made without them; and the upper over the lower end of that interval."
    )
    yield ""
    yield from _table(printed["calibration"])
    yield ""
    yield "## Every model"
    yield ""
    yield (
        "Factor as above, bias (median ratio of model to wall), and the loads at which the model takes part "
        "in verdicts: 1 lies between the 5th and the 95th percentile of its ratio to the wall. Servers whose "
        "processor was left out; the factor of a model without power is infinite (dash). "
        "Both ends of the interval of the load curve take part where it does."
    )
    yield ""
    yield from _table(printed["calibration_models"])
    yield ""
    yield "## Prediction intervals"
    yield ""
    yield (
        "Factors by which the 90 % prediction interval lies below and above the prediction. The upper end is "
        "widened with load by the machine-learning systems below, and the lower end of a machine that may be "
        "no server as well."
    )
    yield ""
    heads = {"evidence": "predicted by", "end": "end"} | {
        f"{load:g}": f"{100 * load:.0f} %" for load in SHOWN_LOADS
    }
    intervals = pd.DataFrame(read_rows("intervals"))[list(heads)].rename(columns=heads)
    yield from _table(intervals.replace({"predicted by": report.EVIDENCE}))
    yield ""
    yield "## Machine-learning systems without accelerator"
    yield ""
    yield (
        "MLPerf Inference: median, least and largest mean power of a run at the wall, and the prediction at "
        "full load with its interval. These systems set the interval, so they do not test it."
    )
    yield ""
    yield from _table(printed["processor_only"])


def _table(cells: pd.DataFrame) -> Iterator[str]:
    yield f"| {' | '.join(cells.columns)} |"
    yield "|" + "---|" * len(cells.columns)
    for row in cells.itertuples(index=False):
        yield f"| {' | '.join(map(str, row))} |"


if __name__ == "__main__":
    main()
