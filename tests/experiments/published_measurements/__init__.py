import functools

import pandas as pd

from experiments.published_measurements.tables import tabulate
from joules.study.design import load_design
from tests import ROOT


@functools.cache
def made_tables() -> dict[str, pd.DataFrame]:
    """The tables of the experiment, made of its reference files."""
    return tabulate([ROOT / source for source in load_design("published_measurements").sources])
