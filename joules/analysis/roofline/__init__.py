"""Time and energy of work from first principles: the roofline (Williams, Waterman and Patterson 2009).

Work takes as long as its arithmetic at the machine's peak or its traffic at the memory's bandwidth, whichever
is longer: of all its operators together, or of every operator by itself, with the time of launching each or
without. Power is that of the limit which binds. Nothing is fitted.
"""

from joules.analysis.roofline.limits import find_limits, limit_runs_table, limits_table
from joules.analysis.roofline.predictions import (
    FORMS,
    Limits,
    Operator,
    Prediction,
    predict,
    prediction_cells,
)

__all__ = [
    "FORMS",
    "Limits",
    "Operator",
    "Prediction",
    "find_limits",
    "limit_runs_table",
    "limits_table",
    "predict",
    "prediction_cells",
]
