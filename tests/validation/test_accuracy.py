"""Readings of the meter for synthetic power, a short form of `validation/accuracy.py`."""

import pytest

from validation.accuracy import table


@pytest.fixture(scope="module")
def errors():
    return table(trials=60)


def test_with_a_counter_we_are_within_half_a_per_cent_on_every_waveform(errors):
    assert (errors["ours, largest"] <= 0.5).all(), errors["ours, largest"]


def test_the_stated_uncertainty_covers_the_truth(errors):
    covered = errors[[column for column in errors if column.startswith("covered")]]
    assert (covered >= 95).all().all(), covered


def test_naive_sampling_errs_where_the_power_changes(errors):
    """The benchmark distinguishes a good reading from a bad one."""
    assert errors.loc["square 100 ms", "naive 1 s"] > 10
