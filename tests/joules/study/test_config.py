"""Configuration and designs: unknown keys are rejected, with a suggestion."""

import json
import shlex

import pytest

from joules.archive import schemas
from joules.errors import UserError
from joules.models import validate
from joules.study import config
from joules.study.design import Design, load_design
from tests import make_repository


def test_the_shipped_configuration_is_valid():
    assert config.check_config(config.read_options()).scale == "quick"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": "quik"}, ["quik", "did you mean 'quick'"]),
        ({"scael": "quick"}, ["unknown key 'scael'", "did you mean 'scale'"]),
        ({"experiments": ["flop_vs_energy"]}, ["did you mean 'flops_vs_energy'"]),
        ({"experiments": []}, ["experiments"]),
        ({"pue": 0.5}, ["pue", "greater than or equal to 1"]),
        ({"region": "world"}, ["region", "three capital letters"]),
        ({"region": "fra"}, ["did you mean 'FRA'?"]),
        ({"region": "NO"}, ["did you mean 'NOR'?"]),
        ({"region": False}, ["YAML reads NO as false", "NOR"]),
        ({"text": "no/such/file.txt"}, ["text", "no file 'no/such/file.txt'"]),
        ({"first_seed": 2**32}, ["first_seed", "less than or equal to 2000000"]),
        ({"first_seed": -1}, ["first_seed", "greater than or equal to 0"]),
        ({"experiments": "grokking"}, ["write a list, experiments='[\"grokking\"]'"]),
        ({"experiments": ["grokking", "rl_ranking", "grokking"]}, ["'grokking' is listed 2 times"]),
        ({"scale": "null"}, ["invalid scale 'None'"]),
        ({"pue": float("nan")}, ["pue"]),
        ({"price_usd_per_kwh": float("inf")}, ["price_usd_per_kwh"]),
    ],
)
def test_a_wrong_option_is_named_with_the_likely_one(options, words):
    with pytest.raises(UserError) as fault:
        config.check_config(options)
    assert all(word in str(fault.value) for word in words), str(fault.value)


def test_null_on_the_command_line_of_snakemake_is_understood():
    chosen = config.check_config({"text": "null", "floor_power_w": "null"})
    assert (chosen.text, chosen.floor_power_w) == (None, None)


def test_a_scale_an_experiment_does_not_define_is_refused():
    design = load_design("flops_vs_energy").model_copy(update={"scales": {}})
    with pytest.raises(UserError, match="scale 'paper' is not defined"):
        design.at("paper")


def test_a_design_that_names_an_unknown_arm_is_refused():
    design = load_design("flops_vs_energy").model_dump()
    design["comparisons"][0]["pairs"] = [("alexnett", "vgg11")]
    with pytest.raises(UserError, match="did you mean 'alexnet'"):
        validate(Design, design, "design")


def test_settings_of_the_scale_reach_every_arm():
    runs = load_design("flops_vs_energy").runs("quick")
    assert len(runs) >= 15
    assert all(parameters["window_s"] == 1.6 for parameters in runs.values())


def test_an_arm_may_overrule_a_setting_of_the_scale():
    runs = load_design("flops_vs_energy").runs("quick")
    assert runs["resnet50_batch8"]["batch_size"] == 8
    assert runs["resnet50"]["batch_size"] == 1


def test_a_text_reaches_the_arms_that_take_it_with_the_hash_of_what_it_holds(tmp_path):
    path = tmp_path / "own {text} of 'mine'.txt"
    hashes = set()
    for content in ("one", "two"):
        path.write_text(content)
        chosen = config.check_config({"text": str(path)})
        given = config.arm_options(chosen)
        assert given["text"].startswith(f"{path}#")
        hashes.add(given["text"])
        arms = load_design("language_models").runs("smoke", given)
        assert {arm["text"] for arm in arms.values()} == {given["text"]}
        assert load_design("grokking").runs("smoke", given) == load_design("grokking").runs("smoke")
    assert len(hashes) == 2
    words = shlex.split(config.option_arguments(chosen, "text"))
    assert config.parse_option(words[1]) == ("text", str(path))


def test_without_a_text_arms_are_as_the_design_has_them():
    given = config.arm_options(config.check_config({}))
    design = load_design("language_models")
    assert design.runs("smoke", given) == design.runs("smoke")


@pytest.mark.parametrize("text", ["pue", "=1", "experiments=[grokking", "pue='"])
def test_a_malformed_option_is_refused(text):
    with pytest.raises(UserError):
        config.check_config(dict([config.parse_option(text)]))


def test_a_file_that_holds_no_options_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(make_repository(tmp_path))
    (tmp_path / "workflow" / "config.yaml").write_text("- scale\n")
    with pytest.raises(UserError, match="'name: value'"):
        config.read_options()


def test_options_survive_the_command_line():
    chosen = config.check_config({"scale": "smoke", "pue": 1.5})
    text = config.option_arguments(chosen, "scale", "pue", "floor_power_w")
    parsed = dict(config.parse_option(word) for word in shlex.split(text) if word != "--option")
    assert parsed == {"scale": "smoke", "pue": 1.5, "floor_power_w": None}


def test_the_written_schemas_are_those_of_the_models():
    for path, text in schemas.make_schemas().items():
        assert path.read_text(encoding="utf-8") == text, "run `python -m joules schemas`"
        if path.name.startswith("config"):
            assert json.loads(text)["additionalProperties"] is False
