"""Predicts the seven empirical anchors of mlsysim with and without the constants that its authors fitted.

A fitted prediction uses the constants of the script that accompanies the mlsysim paper (validate_anchors.py).
An unfitted prediction does not use them: utilisation spans the range that mlsysim gives for well-tuned
training (its Literature.Training.MfuLow and MfuHigh), memory is read at between half and all of its
bandwidth, and machines are the published ones.
"""

from __future__ import annotations

import functools
import importlib.metadata
import math
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import pandas as pd
import yaml

# Importing mlsysim parses its registries, which takes 2 s with PyYAML's parser and 0.1 s with libyaml's.
with patch.object(yaml, "SafeLoader", getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    from mlsysim import Hardware, Literature, Models, solvers
    from mlsysim.core.units import Q_
    from mlsysim.models.types import TransformerWorkload
    from mlsysim.systems.types import Fleet, NetworkFabric, Node

from joules.errors import UserError
from joules.models import Closed, validate
from joules.yaml_files import read_yaml

_REFERENCE = Path(__file__).parent / "reference" / "anchors.yaml"
_OPTIMAL_MODELS = Path(__file__).parent / "reference" / "hoffmann_optimal_models.csv"

Kind = Literal["prediction", "fit", "identity"]
Verdict = Literal["agrees", "misses", "none"]
Range = tuple[float, float]

_NONE: Range = (math.nan, math.nan)
# Assumed shares of memory bandwidth when all weights are read; no source, chosen before the comparison.
_BANDWIDTH_SHARES: Range = (0.5, 1.0)
_GPUS_PER_NODE = 8
# Relative difference that rounding of two figures can cause.
_ROUNDING = 5e-3


class Anchor(Closed):
    """An anchor: its published value, the value that mlsysim's script calls published, and the verdicts."""

    words: str
    unit: str
    kind: Kind
    constant: str
    claimed: Range
    published: Range
    source: str
    is_primary: bool
    note: str
    fitted_verdict: Verdict
    unfitted_verdict: Verdict


class Anchors(Closed):
    """The content of the file of anchors."""

    anchors: dict[str, Anchor]


def load_anchors() -> dict[str, Anchor]:
    """Read the anchors by name.

    Raises:
        UserError: If their file is invalid.
    """
    return validate(Anchors, {"anchors": read_yaml(_REFERENCE)}, _REFERENCE.name).anchors


def table() -> pd.DataFrame:
    """Tabulate the anchors, one row each.

    Raises:
        UserError: If a verdict in the file no longer agrees with the predictions.
    """
    return compared(load_anchors(), predictions())


def compared(anchors: dict[str, Anchor], predicted: dict[str, tuple[float, Range]]) -> pd.DataFrame:
    """Compare predictions of anchors with published values.

    Args:
        anchors: Anchors by name.
        predicted: (fitted, unfitted) predictions by the same names.

    Returns:
        One row per anchor.

    Raises:
        UserError: If a verdict in the file does not agree with the predictions.
    """
    package = f"mlsysim {importlib.metadata.version('mlsysim')}"
    rows = []
    for name, anchor in anchors.items():
        fitted, unfitted = predicted[name]
        row = {
            "anchor": name,
            "words": anchor.words,
            "unit": anchor.unit,
            "kind": anchor.kind,
            "published_low": anchor.published[0],
            "published_high": anchor.published[1],
            "source": anchor.source,
            "is_primary": anchor.is_primary,
            "claimed_low": anchor.claimed[0],
            "claimed_high": anchor.claimed[1],
            "constant": anchor.constant,
            "fitted": fitted,
            "fitted_error_factor": apart((fitted, fitted), anchor.published),
            "fitted_verdict": verdict((fitted, fitted), anchor.published),
            "unfitted_low": unfitted[0],
            "unfitted_high": unfitted[1],
            "unfitted_error_factor": apart(unfitted, anchor.published),
            "unfitted_verdict": verdict(unfitted, anchor.published),
            "note": anchor.note,
            "package": package,
        }
        for column, stated in (
            ("fitted_verdict", anchor.fitted_verdict),
            ("unfitted_verdict", anchor.unfitted_verdict),
        ):
            if row[column] != stated:
                raise UserError(
                    f"outdated {column} of {name} in reference/{_REFERENCE.name}: it is '{stated}', but the "
                    f"prediction gives '{row[column]}' ({package}: {fitted:.4g} fitted, {unfitted[0]:.4g} to "
                    f"{unfitted[1]:.4g} unfitted; published {anchor.published[0]:g} to "
                    f"{anchor.published[1]:g}): correct the file and the text about it"
                )
        rows.append(row)
    return pd.DataFrame(rows)


def apart(predicted: Range, published: Range) -> float:
    """Factor between the nearest ends of two positive ranges: 1 if they overlap, NaN for no prediction."""
    if math.isnan(predicted[0]):
        return math.nan
    return max(1.0, predicted[0] / published[1], published[0] / predicted[1])


def verdict(predicted: Range, published: Range) -> Verdict:
    """Whether any predicted value agrees with the published range, allowing for printed rounding."""
    if math.isnan(predicted[0]):
        return "none"
    return "agrees" if apart(predicted, published) <= 1 + _ROUNDING else "misses"


@functools.cache
def predictions() -> dict[str, tuple[float, Range]]:
    """Predict every anchor with mlsysim: (fitted, unfitted) by name, in the unit of the anchor."""
    training = Literature.Training
    utilisations = (float(training.MfuLow), float(training.MfuHigh))
    return {
        "resnet50": (_resnet50(0.19), _range(_resnet50, utilisations)),
        "llama2_latency": (
            2.0 * _llama2_latency_ms(),
            (_llama2_latency_ms() / _BANDWIDTH_SHARES[1], _llama2_latency_ms() / _BANDWIDTH_SHARES[0]),
        ),
        "llama3_utilisation": (
            _utilisation(
                _llama3(), _h100s(), 0.42, batch_size=4096, tp_size=8, pp_size=4, microbatch_count=64
            ),
            _range(
                lambda share: _utilisation(
                    _llama3(),
                    _h100s(),
                    share,
                    batch_size=2048,
                    tp_size=8,
                    pp_size=16,
                    microbatch_count=16,
                    seq_len=8192,
                ),
                utilisations,
            ),
        ),
        "palm_utilisation": (
            _utilisation(_palm(), _tpus(64_000), 0.47, batch_size=64_000, tp_size=4, pp_size=1),
            _range(
                lambda share: _utilisation(
                    _palm(), _tpus(6144), share, batch_size=2048, tp_size=12, pp_size=1
                ),
                utilisations,
            ),
        ),
        "chinchilla_size": (optimal_parameters(5e23) / 1e9, _NONE),
        "gpt3_carbon": (1287.0 * 0.429, _range(_gpt3_carbon_t, utilisations)),
        "llama3_stages": (float(_stages(0.55)), _range(lambda share: float(_stages(share)), utilisations)),
    }


def _range(predict: Any, ends: Range) -> Range:
    low, high = sorted(predict(end) for end in ends)
    return low, high


def _resnet50(utilisation: float) -> float:
    """Training images per second of eight independent A100, with batches of 256."""
    solved = solvers.SingleNodeModel().solve(
        Models.Vision.ResNet50,
        Hardware.Cloud.A100,
        batch_size=256,
        precision="fp16",
        efficiency=utilisation,
        is_training=True,
    )
    return _GPUS_PER_NODE * float(solved.throughput.magnitude)


def _llama2_latency_ms() -> float:
    """Milliseconds per token with the weights split over two H100 and read at full bandwidth."""
    solved = solvers.ServingModel().solve(
        Models.Language.Llama2_70B,
        Hardware.Cloud.H100,
        seq_len=1024,
        batch_size=1,
        precision="fp16",
    )
    return float(solved.itl.to("ms").magnitude) / 2


def _utilisation(model: Any, fleet: Any, kernels: float, **split: int) -> float:
    """Utilisation of a whole fleet whose kernels reach a utilisation of `kernels`."""
    solved = solvers.DistributedModel().solve(
        model,
        fleet,
        precision="fp16",
        efficiency=kernels,
        overlap_comm=True,
        overlap_efficiency=0.85,
        **split,
    )
    return float(solved.scaling_efficiency) * kernels


def _stages(utilisation: float) -> int:
    """Number of pipeline stages in the best split of Llama-3-405B by mlsysim."""
    solved = solvers.ParallelismOptimizer().solve(
        _llama3(), _h100s(), batch_size=4096, precision="fp16", efficiency=utilisation, overlap_comm=True
    )
    return int(solved.best_config["pp"])


def _gpt3_carbon_t(utilisation: float) -> float:
    """Tonnes for 3.14e23 operations on V100 at rated power, PUE 1.1, 429 g/kWh (Patterson et al. 2021)."""
    v100 = Hardware.Cloud.V100
    peak = float(v100.compute.peak_flops.to("flop / second").magnitude)
    seconds = 3.14e23 / (peak * utilisation)
    kwh = seconds * float(v100.tdp.to("W").magnitude) / 3.6e6
    return kwh * 1.1 * 0.429 / 1e3


def optimal_parameters(flops: float) -> float:
    """Compute-optimal number of parameters for a training of `flops` operations, by mlsysim."""
    solved = solvers.ScalingModel().solve(compute_budget=Q_(f"{flops} flop"))
    return float(solved.optimal_parameters.to("count").magnitude)


def scaling_law() -> pd.DataFrame:
    """Compare the optimal model sizes by mlsysim with published ones: one row per published model."""
    published = pd.read_csv(_OPTIMAL_MODELS)
    predicted = [optimal_parameters(flops) for flops in published["flops"]]
    return published.assign(
        tokens_per_parameter=published["tokens"] / published["parameters"],
        predicted_parameters=predicted,
        ratio=predicted / published["parameters"],
    )


def _llama3() -> Any:
    return TransformerWorkload(
        name="Llama-3-405B",
        architecture="Transformer",
        parameters=Q_("405e9 count"),
        layers=126,
        hidden_dim=16384,
        heads=128,
    )


def _palm() -> Any:
    return TransformerWorkload(
        name="PaLM-540B",
        architecture="Transformer",
        parameters=Q_("540e9 count"),
        layers=118,
        hidden_dim=18432,
        heads=48,
    )


def _h100s() -> Any:
    node = Node(
        name="H100",
        accelerator=Hardware.Cloud.H100,
        accelerators_per_node=_GPUS_PER_NODE,
        intra_node_bw=Q_("900 GB/s"),
    )
    fabric = NetworkFabric(name="400 Gb/s", bandwidth=Q_("50 GB/s"))
    return Fleet(name="16,384 H100", node=node, count=16_384 // _GPUS_PER_NODE, fabric=fabric)


def _tpus(chips: int) -> Any:
    node = Node(
        name="TPU v4",
        accelerator=Hardware.Cloud.TPUv4,
        accelerators_per_node=4,
        intra_node_bw=Q_("400 GB/s"),
    )
    fabric = NetworkFabric(name="ICI", bandwidth=Q_("24 GB/s"), oversubscription_ratio=2.0)
    return Fleet(name=f"{chips} TPU v4", node=node, count=chips // 4, fabric=fabric)
