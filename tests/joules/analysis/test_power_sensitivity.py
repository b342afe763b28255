"""Records recomputed under every power model, and the effect on tables and claims."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from experiments.campaign import power
from joules.analysis import records, sensitivity
from joules.analysis.records import Records, recompute
from joules.bench.record import Part, Phase, Run, Step
from joules.errors import UserError
from joules.instrument.reading import Total
from joules.instrument.reading_arrays import one_window
from joules.instrument.sampler import Sampler
from joules.instrument.source import Channel
from joules.paper import claims, printing, rows, values
from joules.power.metered import read_servers
from joules.power.models import DEFAULT_MODEL, POWER_MODELS, takes_part
from joules.power.servers import ProcessorIdentity
from joules.power.trials import try_all
from joules.power.use import NotCovered
from tests.claims import claim
from tests.records import MACHINE, QUIET, idle, reading, run
from tests.replay import Replay

GENOA = ProcessorIdentity(vendor="AuthenticAMD", family=25, model=17, stepping=1)
HERE = MACHINE.model_copy(update={"identity": GENOA, "memory_gib": 24, "virtual": True})
SECONDS = 2.0
CALIBRATED = power.calibration(try_all(read_servers()))


def modelled(arm, busy_cores, block=0, seconds=SECONDS, **changes):
    """A run by CodeCarbon's model at a TDP of 8 W and 20 W of memory."""
    cpu_w = 8 * (0.1 + 0.9 * (busy_cores / 2) ** 3)
    readings = [
        reading(seconds * cpu_w, detail="load model on a TDP of 8 W (per thread) for any"),
        reading(seconds * 20.0, domain="dram", detail="constant 20 W for 24 GiB"),
        reading(seconds * cpu_w, scope="job"),
        reading(seconds * 2.0, scope="job", domain="dram"),
    ]
    whole_j = seconds * (cpu_w + 20)
    return run(
        arm,
        block,
        machine=HERE,
        readings=readings,
        duration_s=seconds,
        total=Total(energy_j=whole_j, uncertainty_j=1.0, provenance="modelled", floored=False),
        contention=QUIET.model_copy(update={"busy_cores": busy_cores, "job_cpu_s": seconds * busy_cores}),
        **changes,
    )


def test_a_record_is_read_again_whole():
    marks = {
        "parts": [
            Part(start_s=0, duration_s=0.5, energy_j=5.0),
            Part(start_s=9, duration_s=1.5, energy_j=1.0),
        ],
        "phases": [Phase(name="any", start_s=0.5, end_s=1.0, energy_j=7.0)],
        "steps": [Step(index=1, time_s=1.0, energy_j=30.0), Step(index=2, time_s=2.0, energy_j=None)],
    }
    (again,) = records.recompute_under(
        Records.from_sequence([modelled("one", 1.0, **marks)]), "processor_time_alone"
    )
    assert again.total.energy_j == pytest.approx(SECONDS * 4.0)
    assert [part.energy_j for part in again.parts] == pytest.approx([2.0, 6.0])
    assert again.phases[0].energy_j == pytest.approx(2.0)
    assert [step.energy_j for step in again.steps] == [pytest.approx(4.0), None]
    assert again.spent.energy_j == pytest.approx(4.0 * again.spent.duration_s)
    jobs = {each.domain: each.energy_j for each in again.readings if each.scope == "job"}
    assert jobs == pytest.approx({"cpu": 8.0, "dram": 0.0})


def test_the_job_has_its_share_of_the_memory_under_every_model():
    (again,) = records.recompute_under(
        Records.from_sequence([modelled("one", 1.0)]), "cloud_carbon_footprint"
    )
    jobs = {each.domain: each.energy_j for each in again.readings if each.scope == "job"}
    assert jobs["dram"] == pytest.approx(0.1 * SECONDS * 24 * 0.392)


def test_what_was_read_keeps_its_course():
    gpu = reading(100.0, domain="gpu0", provenance="sampled")
    before = modelled("one", 1.0, parts=[Part(start_s=0, duration_s=1.0, energy_j=21.7 + 80.0)])
    before = before.model_copy(update={"readings": [*before.readings, gpu]})
    (again,) = records.recompute_under(Records.from_sequence([before]), "time_alone")
    assert again.total.energy_j == pytest.approx(SECONDS * 24 + 100)
    assert again.parts[0].energy_j == pytest.approx(24 + 80)


def test_a_counted_machine_is_not_read_again():
    counted = run(readings=[reading(30.0, provenance="counter")])
    assert list(records.recompute_under(Records.from_sequence([counted]), "boavizta")) == [counted]
    assert records.alternative_models([Records.from_sequence([counted])]) == []


def test_an_unknown_processor_leaves_reasons_and_the_other_models():
    unknown = modelled("one", 1.0).model_copy(update={"machine": MACHINE})
    alone = Records.from_sequence([unknown])
    assert set(records.alternative_models([alone, Records.from_sequence([idle()])])).isdisjoint({"servers"})
    with pytest.raises(NotCovered, match="no published servers"):
        records.recompute_under(alone, "servers")
    watts = power.watts([alone], CALIBRATED).set_index("power_model")
    assert watts.loc["servers", "gap"].startswith("no published servers")
    assert watts.loc["boavizta", "all_cores_w"] > 0


def tabulate(entries):
    table = records.select_measured(records.runs_table(entries))
    wide = table.pivot(index="block", columns="arm", values="energy_j")
    logs = np.log(wide["all_cores"] / wide["one_core"])
    statistics = pd.DataFrame(
        [
            {
                "statistic": "cores",
                "n": len(logs),
                "estimate": np.exp(logs.mean()),
                "ci_low": np.exp(logs.min()),
                "ci_high": np.exp(logs.max()),
                "p_bound": 0.0,
            }
        ]
    )
    return {"runs": table, "statistics": statistics}


@pytest.fixture
def made():
    """Two runs of equal length, on one core and on all cores."""
    entries = records.read_by_default(
        Records.from_sequence(
            [
                modelled(arm, busy, block)
                for block in (0, 1)
                for arm, busy in (("one_core", 1.0), ("all_cores", 2.0))
            ]
        )
    )
    return sensitivity.with_power_models(tabulate(entries), entries, tabulate)


def watts_of(model, busy_cores):
    one = modelled("any", busy_cores)
    use = one_window(one.readings, one.duration_s, 0.0, one.machine, one.contention).use
    return float(np.ravel(sum(POWER_MODELS[model].power_w(use).values()))[0])


def ratio_of(model):
    return watts_of(model, 2.0) / watts_of(model, 1.0)


# That wall meters do not refute at half and at full load.
DECIDING = [model for model in POWER_MODELS if takes_part(model, [0.5, 1.0]).all()]


def test_records_are_read_by_the_default_model_with_the_uncertainty_of_its_interval():
    (again,) = records.read_by_default(Records.from_sequence([modelled("one", 1.0)]))
    assert again.total.energy_j == pytest.approx(SECONDS * watts_of("load_curve", 1.0))
    spread_w = watts_of("load_curve_high", 1.0) - watts_of("load_curve_low", 1.0)
    assert again.total.uncertainty_j == pytest.approx(SECONDS * spread_w / 2 / 1.6449, rel=1e-4)
    assert "in place of load model on a TDP of 8 W" in again.readings[0].detail
    (twice,) = records.recompute_under(Records.from_sequence([again]), "codecarbon")
    assert twice.total.energy_j == pytest.approx(SECONDS * (8 * (0.1 + 0.9 / 8) + 20))
    counted = run(readings=[reading(30.0, provenance="counter")])
    assert list(records.read_by_default(Records.from_sequence([counted]))) == [counted]


def test_statistics_have_their_range_over_models(made):
    (row,) = made["statistics"].to_dict("records")
    assert row["band_models"] == len(DECIDING)
    assert row["estimate"] == pytest.approx(ratio_of("load_curve"))
    assert row["band_low"] == pytest.approx(min(ratio_of(model) for model in DECIDING))
    assert row["band_high"] == pytest.approx(max(ratio_of(model) for model in DECIDING))
    by_model = made["power_models"].set_index("power_model")
    assert set(by_model.index) == set(POWER_MODELS)
    assert by_model.index[0] == DEFAULT_MODEL
    assert by_model.index[by_model["takes_part"]].tolist() == DECIDING
    assert not by_model.loc[["codecarbon", "codecarbon_processors", "time_alone"], "takes_part"].any()
    assert by_model.loc["codecarbon", "estimate"] == pytest.approx(28 / 21.7)


@pytest.mark.parametrize(("all_cores", "reason"), [(1.001, sensitivity.EQUAL_CORES), (2.0, None)])
def test_models_that_agree_do_so_for_a_reason(all_cores, reason):
    entries = [
        modelled(arm, busy, block, seconds)
        for block in (0, 1)
        for arm, busy, seconds in (("one_core", 1.0, 2.0), ("all_cores", all_cores, 3.0))
    ]
    (row,) = sensitivity.with_power_models(tabulate(entries), Records.from_sequence(entries), tabulate)[
        "statistics"
    ].to_dict("records")
    assert row["band_reason"] == reason


def test_what_has_no_energy_says_so():
    def counts(entries):
        return {
            "runs": records.runs_table(entries),
            "statistics": pd.DataFrame(
                [{"statistic": "runs", "n": len(entries), "estimate": 2.0, "ci_low": 1.0, "ci_high": 3.0}]
            ),
        }

    entries = [modelled("one_core", 1.0), modelled("all_cores", 2.0)]
    (row,) = sensitivity.with_power_models(counts(entries), Records.from_sequence(entries), counts)[
        "statistics"
    ].to_dict("records")
    assert row["band_reason"] == sensitivity.NO_ENERGY


def test_energies_have_their_bands_and_times_have_none(made):
    runs = made["runs"].set_index(["arm", "block"])
    one = runs.loc[("one_core", 0)]
    watts = [watts_of(model, 1.0) for model in DECIDING]
    assert one["energy_j_band_low"] == pytest.approx(SECONDS * min(watts))
    assert one["energy_j_band_high"] == pytest.approx(SECONDS * max(watts))
    assert one["energy_j_band_low"] <= one["energy_j"] <= one["energy_j_band_high"]
    assert not [name for name in runs if name.startswith(("duration", "cpu_s", "idle")) and "band" in name]


def test_a_table_that_is_ordered_by_energy_has_no_bands():
    table = pd.DataFrame({"arm": ["a", "b"], "energy_j": [1.0, 2.0]})
    banded = sensitivity.with_model_ranges(table, [table.assign(energy_j=[0.5, 4.0])])
    assert banded["energy_j_band_low"].to_list() == [0.5, 2.0]
    with pytest.raises(ValueError, match="change order"):
        sensitivity.with_model_ranges(table, [table.iloc[::-1].reset_index(drop=True)])


@pytest.mark.parametrize(
    ("bound", "verdict"), [(0.5, "supported"), (5.0, "contradicted"), (1.3, "depends on the power model")]
)
def test_a_claim_is_supported_only_under_every_model_that_takes_part(made, monkeypatch, bound, verdict):
    declared = claim(kind="secondary", statement="All cores cost more.", statistic="cores", value=bound)
    monkeypatch.setattr(claims, "load_claims", lambda _experiment: {"cores_cost": declared})
    statistics = made["statistics"].assign(
        unit="1", **dict.fromkeys(claims.sensitivity.UNFLAGGED_COLUMNS, 1.0)
    )
    (row,) = claims.evaluate_claims({"any": statistics}, {"any": made["power_models"]}).to_dict("records")
    assert row["verdict"] == verdict
    assert row["as_read_verdict"] == ("supported" if ratio_of("load_curve") > bound else "contradicted")
    # It is shown and does not decide.
    assert row["under_time_alone"] == ("supported" if bound < 1 else "contradicted")
    assert row["deciding_models"].split() == DECIDING
    low, high = (end(ratio_of(model) for model in DECIDING) for end in (min, max))
    assert f"{low:.3g} to {high:.3g} over power models" in row["evidence"]


def replayed_counters(power_w):
    """Readings of the sampler over two seconds of counters with these powers by domain."""
    now = [0.0]
    channels = {
        Channel(domain, "rapl", "counter", "cumulative_j", "replayed", resolution_j=1e-6): watts
        for domain, watts in power_w.items()
    }
    values = {channel: (lambda at, watts=watts: watts * at) for channel, watts in channels.items()}
    sampler = Sampler([Replay(values, clock=lambda: now[0])], clock=lambda: now[0])
    for tick in range(31):
        now[0] = 0.1 * tick
        sampler.sample()
    return sampler.readings(0.5, 0.5 + SECONDS)


def counted(model):
    """Runs on a machine with counters whose power follows the load according to `model`."""
    runs = []
    for number, busy in enumerate((0.2, 0.9, 1.0, 1.6, 2.0)):
        one = modelled(f"arm{number}", busy)
        known = one_window(one.readings, one.duration_s, 0.0, one.machine, one.contention).use
        power_w = POWER_MODELS[model].power_w(known)
        counters = replayed_counters({domain: np.ravel(watts)[0] for domain, watts in power_w.items()})
        runs.append(one.model_copy(update={"readings": [*counters, *one.readings]}))
    return runs


@pytest.mark.parametrize("truth", ["cloud_carbon_footprint", "load_curve", "boavizta", "codecarbon"])
def test_where_a_counter_reads_the_right_model_wins(truth):
    table = power.watts([Records.from_sequence(counted(truth))], CALIBRATED)
    assert table["power_model"].iloc[0] == truth
    assert table["counter_factor"].iloc[0] == pytest.approx(1.0, abs=1e-4)
    assert table["counter_factor"].iloc[1] > 1.01
    assert list(table["counted_runs"]) == [5] * len(table)


def test_a_model_of_the_whole_is_not_held_against_a_counter_of_a_part():
    runs = [
        one.model_copy(
            update={"readings": [r for r in one.readings if (r.source, r.domain) != ("rapl", "dram")]}
        )
        for one in counted("boavizta")
    ]
    table = power.watts([Records.from_sequence(runs)], CALIBRATED).set_index("power_model")
    assert "together" in table.loc["servers", "counter_gap"]
    assert table.loc["boavizta", "counter_factor"] == pytest.approx(1.0)


def test_a_model_taken_away_is_missed_nowhere(monkeypatch):
    fewer = {name: model for name, model in POWER_MODELS.items() if name != "boavizta"}
    for module in (recompute, power):
        monkeypatch.setattr(module, "POWER_MODELS", fewer)
    entries = [modelled(arm, busy) for arm, busy in (("one_core", 1.0), ("all_cores", 2.0))]
    made = sensitivity.with_power_models(tabulate(entries), Records.from_sequence(entries), tabulate)
    assert len(made["power_models"]) == len(POWER_MODELS) - 1
    assert len(power.watts([Records.from_sequence(entries)], CALIBRATED)) == len(POWER_MODELS) - 1


def typed_j(energy_j, band=(math.nan, math.nan)):
    """A quantity of one row, with its range over power models."""
    row = {"energy_j": energy_j, "energy_j_band_low": band[0], "energy_j_band_high": band[1]}
    return rows.pick({"runs": pd.DataFrame([row])}, "runs").cell("energy_j")


def test_a_number_of_joules_is_not_printed_without_its_band():
    bare = values.Value("any.energy", typed_j(1.5), 3, r"\joule")
    with pytest.raises(UserError, match=r"'any\.energy'"):
        values.check_bands([bare], {})
    values.check_bands([dataclasses.replace(bare, quantity=typed_j(1.5, (1.0, 2.0)))], {})
    table = pd.DataFrame({"mJ/step": ["1.5"]})
    with pytest.raises(UserError, match="column 'mJ/step' of the table 'arms'"):
        values.check_bands([], {"arms": table})
    values.check_bands([], {"others_published": table})
    values.check_bands([], {"arms": pd.DataFrame({"mJ/step": ["1.5 [1, 2]"], "ms/step": ["3"]})})


def test_a_band_is_printed_behind_its_number():
    value = values.Value("any", typed_j(0.0815, (0.0069, 0.089)), 3, r"\joule")
    assert value.latex == r"\qty{0.0815}{\joule} [\num{0.00690}, \num{0.0890}]"
    row = {"energy_j": 0.0815, "energy_j_band_low": 0.0069, "energy_j_band_high": 0.089}
    assert printing.banded_cell(row, "energy_j", 1e3) == "81.5 [6.90, 89.0]"
    assert printing.banded_cell({"energy_j": 0.0815}, "energy_j", 1e3) == "81.5"


def test_runs_whose_window_was_not_watched_stay_as_they_are():
    lost = modelled("one", 1.0).model_copy(update={"contention": None})
    assert list(records.recompute_under(Records.from_sequence([lost]), "boavizta")) == [lost]
    assert isinstance(lost, Run)
