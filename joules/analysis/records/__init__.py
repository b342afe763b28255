"""Records of a campaign: loaded, by columns, as tables of runs, and recomputed under other power models."""

from joules.analysis.records.collection import IDLE_MISMATCH, Records, concat, find_machine
from joules.analysis.records.loading import Stated, load_records, read_stated
from joules.analysis.records.recompute import (
    IN_PLACE_OF,
    alternative_models,
    read_by_default,
    recompute_under,
)
from joules.analysis.records.record_columns import ReadingGroup
from joules.analysis.records.run_tables import (
    TableSet,
    runs_table,
    select_measured,
    sort_by_arm,
    weakest_provenance,
)
from joules.instrument.reading_arrays import Floats

__all__ = [
    "IDLE_MISMATCH",
    "IN_PLACE_OF",
    "Floats",
    "ReadingGroup",
    "Records",
    "Stated",
    "TableSet",
    "alternative_models",
    "concat",
    "find_machine",
    "load_records",
    "read_by_default",
    "read_stated",
    "recompute_under",
    "runs_table",
    "select_measured",
    "sort_by_arm",
    "weakest_provenance",
]
