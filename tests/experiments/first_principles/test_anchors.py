"""Anchors against published values, and the error if a verdict is outdated."""

import math

import pytest

from experiments.first_principles import anchors
from joules.errors import UserError


def test_every_verdict_on_file_follows():
    table = anchors.table().set_index("anchor")
    assert len(table) == 7
    assert (table["published_low"] <= table["published_high"]).all()
    assert table["source"].str.len().min() > 20


def test_a_planted_mismatch_stops_the_build():
    filed = anchors.load_anchors()
    planted = filed | {"llama3_stages": filed["llama3_stages"].model_copy(update={"published": (4.0, 4.0)})}
    with pytest.raises(
        UserError, match=r"fitted_verdict of llama3_stages .* it is 'agrees', but .* gives 'misses'"
    ):
        anchors.compared(planted, anchors.predictions())


def test_a_package_that_predicts_otherwise_stops_the_build():
    moved = anchors.predictions() | {"palm_utilisation": (0.46, (0.1, 0.2))}
    with pytest.raises(UserError, match="palm_utilisation"):
        anchors.compared(anchors.load_anchors(), moved)


@pytest.mark.parametrize(
    ("predicted", "published", "factor", "verdict"),
    [
        ((10, 20), (15, 30), 1, "agrees"),
        ((10, 20), (30, 40), 1.5, "misses"),
        ((10, 20), (4, 5), 2, "misses"),
        ((552.123, 552.123), (552.1, 552.1), 552.123 / 552.1, "agrees"),
        ((math.nan, math.nan), (1, 2), math.nan, "none"),
    ],
)
def test_ranges_are_apart_by_the_factor_between_their_nearest_ends(predicted, published, factor, verdict):
    assert anchors.apart(predicted, published) == pytest.approx(factor, nan_ok=True)
    assert anchors.verdict(predicted, published) == verdict


def test_the_fitted_predictions_are_those_of_the_package():
    """Values of mlsysim 0.3.0."""
    fitted = {name: made for name, (made, _) in anchors.predictions().items()}
    assert fitted["resnet50"] == pytest.approx(19_007, rel=1e-3)
    assert fitted["llama2_latency"] == pytest.approx(42.7, rel=2e-3)
    assert fitted["llama3_utilisation"] == pytest.approx(0.368, rel=2e-3)
    assert fitted["palm_utilisation"] == pytest.approx(0.411, rel=2e-3)
    assert fitted["chinchilla_size"] == pytest.approx(64.5, rel=1e-3)
    assert fitted["gpt3_carbon"] == pytest.approx(552.1, rel=1e-3)
    assert fitted["llama3_stages"] == 16


def test_the_scaling_law_is_the_root_of_operations_over_120():
    law = anchors.scaling_law()
    assert len(law) == 27
    assert law["predicted_parameters"].to_list() == pytest.approx((law["flops"] / 120).pow(0.5).to_list())
    # Six operations a parameter and token: what was published agrees with itself, as far as it is rounded.
    assert (6 * law["parameters"] * law["tokens"]).to_list() == pytest.approx(
        law["flops"].to_list(), rel=0.06
    )
