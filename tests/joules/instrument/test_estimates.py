"""The energy of a window under every power model, by what its readings and its machine say."""

import pytest

from joules.instrument.estimates import estimate_energies
from joules.instrument.host.machine import describe
from joules.instrument.reading import read_tdp_w
from joules.instrument.reading_arrays import one_window
from joules.instrument.sampler import Sampler
from joules.instrument.sources.codecarbon_model import CodeCarbonModel
from joules.power.models import DEFAULT_MODEL
from tests.joules.power.test_models import GENOA, HERE
from tests.records import QUIET, reading


def modelled(cpu_j=3.4, dram_j=40.0):
    cpu = reading(cpu_j, detail="CodeCarbon 3.3.2: load model on a TDP of 8 W (per thread) for any")
    return [cpu, reading(dram_j, domain="dram")]


def test_a_window_is_told_to_the_models_by_its_readings():
    machine = describe().model_copy(update={"identity": GENOA, "logical_cores": 2, "memory_gib": 24})
    busy = QUIET.model_copy(update={"busy_cores": 1.0})
    window = one_window(modelled(), 2.0, machine=machine, contention=busy)
    assert window.use == HERE
    by_model = {each.model: each.energy_j for each in estimate_energies(window)}
    assert by_model[DEFAULT_MODEL] == pytest.approx(43.4)
    assert by_model["processor_time_alone"] == pytest.approx(8.0)


def test_what_is_counted_is_kept_and_what_is_modelled_is_not():
    counted = [reading(30.0, provenance="counter"), reading(40.0, domain="dram")]
    machine = describe().model_copy(update={"memory_gib": 24})
    window = one_window(counted, 2.0, machine=machine, contention=QUIET)
    by_model = {each.model: each for each in estimate_energies(window)}
    assert by_model["boavizta"].gap is not None
    assert by_model["cloud_carbon_footprint"].energy_j == pytest.approx(30 + 2 * 24 * 0.392)
    assert "together" in by_model["servers"].gap or "known to be" in by_model["servers"].gap


def test_nothing_modelled_leaves_nothing_to_estimate():
    counted = [reading(30.0, provenance="counter"), reading(5.0, domain="dram", provenance="counter")]
    assert estimate_energies(one_window(counted, 2.0, machine=describe(), contention=QUIET)) == []
    lost = [*modelled(), reading(None, domain="gpu0", provenance="missing", uncertainty_j=None)]
    assert estimate_energies(one_window(lost, 2.0, machine=describe(), contention=QUIET)) == []


def test_the_thermal_design_power_is_a_field_of_the_reading_that_took_it():
    source = CodeCarbonModel()
    with Sampler([source]) as sampler:
        start_s = sampler.now()
        sampler.sample()
        cpu, dram = sampler.readings(start_s, sampler.last_sample_s)
    assert (cpu.tdp_w, cpu.tdp_origin) == (source.tdp.power_w, source.tdp.origin)
    assert read_tdp_w(cpu) == source.tdp.power_w
    assert read_tdp_w(dram) is dram.tdp_w is None


def test_older_records_have_the_thermal_design_power_in_a_sentence():
    source = CodeCarbonModel()
    (cpu,) = [channel for channel in source.channels if channel.domain == "cpu"]
    older = reading(1.0, detail=cpu.detail)
    assert older.tdp_w is None
    assert read_tdp_w(older) == pytest.approx(source.tdp.power_w, rel=1e-5)
    assert read_tdp_w(older.model_copy(update={"tdp_w": 9.0})) == 9.0
    assert read_tdp_w(reading(1.0, detail="another model")) is None
    assert read_tdp_w(reading(1.0, detail=cpu.detail, provenance="counter")) is None
