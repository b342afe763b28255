"""Tables of a campaign as a whole: its machine, its energy, its claims under every power model."""

import pandas as pd
import pytest

from experiments.campaign import power, report, tables
from experiments.campaign.networks import tabulate_networks
from joules.analysis.contracts import CampaignEvidence
from joules.analysis.records import Records
from joules.errors import UserError
from joules.power.metered import read_servers
from joules.power.models import takes_part
from joules.power.servers import LOADS, read_rows
from joules.power.trials import try_all
from joules.study.campaign import POWER_MODELS
from joules.study.claims import load_claims
from joules.study.config import check_config
from joules.study.design import load_design
from tests.records import MACHINE, campaign_evidence, idle, run


def test_every_table_of_the_design_is_made():
    made = tables.tabulate(campaign_evidence(Records.from_sequence([run(), idle(), idle(position="after")])))
    assert list(made) == load_design("campaign").tables


def test_records_of_two_machines_are_refused():
    elsewhere = run("two").model_copy(update={"machine": MACHINE.model_copy(update={"id": "other"})})
    with pytest.raises(UserError, match="measure each machine as a campaign of its own"):
        tables.tabulate(campaign_evidence(Records.from_sequence([run(), elsewhere])))


def test_energy_and_runs_are_summed_by_experiment():
    one, two = (Records.from_sequence([run(arm), idle()]) for arm in ("one", "two"))
    config = check_config({"region": "NOR", "pue": 1.5})
    evidence = CampaignEvidence({"grokking": one, "layer_kinds": two}, {}, config)
    made = tables.tabulate(evidence)
    energy = made["energy"].set_index("experiment")
    assert energy["runs"].to_dict() == {"grokking": 1, "layer_kinds": 1}
    # The run spent 40 J with its set-up, the idle reading 4 J.
    assert energy["spent_j"].to_list() == [44.0, 44.0]
    assert energy["energy_kwh"].sum() == pytest.approx(1.5 * 88 / 3.6e6)
    printed = {value.key: value.raw for value in report.values(made)}
    assert (printed["campaign.runs"], printed["campaign.pue"]) == (2, 1.5)
    assert printed["campaign.grid"] == "Norway"


@pytest.fixture(scope="module")
def trials():
    return try_all(read_servers())


def test_errors_in_the_table_are_those_that_decide_which_models_take_part(trials):
    made = power.calibration(trials)
    strict = made[(made["left_out"] == "processor") & ~made["evidence"].isin(["tdp", "threads"])]
    for model, rows in strict.groupby("power_model"):
        assert rows["takes_part"].to_list() == takes_part(model, LOADS).tolist()
    errors = {
        (row["power_model"], float(row["load"])): float(row["factor"]) for row in read_rows("model_errors")
    }
    found = strict.set_index(["power_model", "load"])["factor"].to_dict()
    assert found == pytest.approx(errors, rel=1e-3)


def test_coverage_in_the_table_is_that_of_the_servers_beside_their_intervals(trials):
    wall = power.wall(read_servers(), trials)
    inside = (wall["low_w"] <= wall["wall_w"]) & (wall["wall_w"] <= wall["high_w"])
    made = power.calibration(trials).query("power_model == 'load_curve' and left_out == 'processor'")
    made = made[made["evidence"] == "generation"]
    stated = made.set_index("load")["coverage"]
    for load, share in inside.groupby(wall["load"]).mean().items():
        assert share == pytest.approx(stated[load])
    assert wall["server"].nunique() == made["servers"].iloc[0]


def test_a_model_without_interval_has_no_coverage(trials):
    made = power.calibration(trials)
    assert made.loc[made["power_model"] != "load_curve", "coverage"].isna().all()
    watts = power.watts([Records.from_sequence([run(), idle()])], made).set_index("power_model")
    assert watts.loc["load_curve", "wall_coverage_full"] == pytest.approx(0.94, abs=0.01)
    assert pd.isna(watts.loc["codecarbon", "wall_coverage_full"])


def test_loads_at_which_a_model_takes_part_are_printed_as_ranges(trials):
    printed = report.print_calibration(power.calibration(trials), power.processor_only())
    taken = printed["calibration_models"].set_index("model")["takes part at"]
    assert taken["load curve"] == "0 to 100 %"
    assert taken["CodeCarbon"] == "0, 70 to 100 %"


def test_the_statistic_of_each_claim_is_listed_under_every_power_model():
    name, claim = next(iter(load_claims("layer_kinds").items()))
    of_model = pd.DataFrame(
        {
            "statistic": [claim.statistic, claim.statistic, "another"],
            "power_model": ["servers", "boavizta", "servers"],
            "estimate": [2.0, 3.0, 4.0],
        }
    )
    statistics = pd.DataFrame(
        {"statistic": [claim.statistic, "another"], "contrast": "ratio", "unit": "1", "base": "b"}
    )
    listed = power.headlines(
        {
            "layer_kinds": {POWER_MODELS: of_model, "statistics": statistics},
            # Published readings rest on no power model.
            "grokking": {"statistics": statistics},
        }
    )
    assert listed["claim"].to_list() == [name, name]
    assert listed["estimate"].to_list() == [2.0, 3.0]
    assert set(listed["experiment"]) == {"layer_kinds"}


def test_networks_of_this_machine_stand_beside_those_at_the_wall():
    arms = pd.DataFrame(
        {
            "arm": ["mobilenet_v2", "mobilenet_v2_batch8", "vgg11"],
            "family": ["MobileNet", "MobileNet", "VGG"],
            "factor": [None, "batch_size", None],
            "flops": [6e8, 6e8, 1.5e10],
            "energy_per_inference_j": [0.14, 0.13, 1.7],
            "provenance": "modelled",
        }
    )
    reference = arms.iloc[2:].drop(columns=["factor", "provenance"])
    runs = pd.DataFrame(
        {
            "system": ["phone", "phone", "phone", "rack"],
            "scenario": ["singlestream", "offline", "singlestream", "singlestream"],
            "precision": ["float32", "float32", "int8", "float32"],
            "published_network": "mobilenet_v1_1.0_224",
            "family": "EfficientNet-lite",
            "multiply_adds_m": 569.0,
            "energy_per_inference_j": 0.2,
        }
    )
    systems = pd.DataFrame({"system": ["phone", "rack"], "short_name": ["Phone, TFLite", None]})
    made = tabulate_networks(
        {
            "flops_vs_energy": {"arms": arms, "reference": reference},
            "published_measurements": {"runs": runs, "systems": systems},
        }
    )
    assert made[["system", "meter", "family", "multiply_adds_m"]].to_numpy().tolist() == [
        ["this machine", "modelled", "MobileNet V2", 300.0],
        ["this machine", "modelled", "other families", 7500.0],
        ["Titan V", "sampled", "other families", 7500.0],
        ["Phone, TFLite", "wall meter", "EfficientNet", 569.0],
    ]
