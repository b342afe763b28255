"""The energy of a window under every power model, from its readings and its machine."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joules.instrument.estimates import estimate_energies, predict_energy
from joules.instrument.host.machine import describe
from joules.instrument.measurement import Measurement, significant
from joules.instrument.reading import read_tdp_w
from joules.instrument.reading_arrays import LOAD_CURVE, one_window
from joules.instrument.sampler import Sampler
from joules.instrument.sources.codecarbon_model import CodeCarbonModel
from joules.power.models import POWER_MODELS, load_curve, load_curve_high, load_curve_low
from tests.joules.power.test_models import GENOA, HERE
from tests.records import QUIET, reading


def modelled(cpu_j=3.4, dram_j=40.0):
    cpu = reading(cpu_j, detail="CodeCarbon 3.3.2: load model on a TDP of 8 W (per thread) for any")
    return [cpu, reading(dram_j, domain="dram", detail="CodeCarbon 3.3.2: constant 20 W for 24 GiB")]


def by_load_curve(cpu_j, dram_j, *others):
    parts = (("cpu", cpu_j), ("dram", dram_j))
    return [*(reading(j, domain=domain, source=LOAD_CURVE) for domain, j in parts), *modelled(), *others]


def genoa(**changes):
    here = {"identity": GENOA, "logical_cores": 2, "memory_gib": 24, "virtual": True}
    return describe().model_copy(update=here | changes)


def test_a_window_is_told_to_the_models_by_its_readings():
    busy = QUIET.model_copy(update={"busy_cores": 1.0})
    window = one_window(modelled(), 2.0, machine=genoa(), contention=busy)
    assert window.use == HERE
    by_model = {each.model: each.energy_j for each in estimate_energies(window)}
    assert by_model["codecarbon"] == pytest.approx(43.4)
    assert by_model["load_curve"] == pytest.approx(2 * sum(load_curve(HERE).values()))
    assert by_model["processor_time_alone"] == pytest.approx(8.0)


def test_an_estimate_says_whether_wall_meters_refute_its_model_at_the_load():
    half, full = (
        {
            each.model: each.takes_part
            for each in estimate_energies(
                one_window(
                    modelled(),
                    2.0,
                    machine=genoa(),
                    contention=QUIET.model_copy(update={"busy_cores": busy_cores}),
                )
            )
        }
        for busy_cores in (1.0, 2.0)
    )
    assert (half["codecarbon"], full["codecarbon"]) == (False, True)
    assert half["load_curve"]
    assert full["load_curve"]


def test_a_prediction_has_the_intervals_factors_about_what_was_read():
    busy = QUIET.model_copy(update={"busy_cores": 1.0})
    gpu = reading(100.0, domain="gpu0", provenance="counter", uncertainty_j=0.0)
    window = one_window(by_load_curve(6.0, 14.0, gpu), 2.0, machine=genoa(), contention=busy)
    prediction = predict_energy(window)
    point, low, high = (sum(model(HERE).values()) for model in (load_curve, load_curve_low, load_curve_high))
    assert (prediction.low_j, prediction.high_j) == pytest.approx(
        (100 + 20 * low / point, 100 + 20 * high / point)
    )
    assert prediction.servers == 20
    assert "20 wall-metered servers of this generation, AMD EPYC 4th (Genoa)" in prediction.basis


@pytest.mark.parametrize("source", [LOAD_CURVE, "codecarbon"])
def test_the_error_of_what_was_read_is_in_the_interval(source):
    def ends_j(uncertainty_j):
        gpu = reading(5000.0, domain="gpu0", provenance="counter", uncertainty_j=uncertainty_j)
        readings = by_load_curve(6.0, 14.0, gpu) if source == LOAD_CURVE else [*modelled(6.0, 14.0), gpu]
        window = one_window(readings, 2.0, machine=genoa(), contention=QUIET)
        return Measurement.model_construct(
            readings=readings,
            total=window.total(0),
            models=estimate_energies(window),
            prediction=predict_energy(window),
        ).interval_j

    (low_j, high_j), (lower_j, higher_j) = ends_j(0.0), ends_j(250.0)
    # Independent of the model's error, and of a range over models it is beside it.
    beside_j = 1.645 * 250
    if source == LOAD_CURVE:
        assert 5020 - lower_j == pytest.approx(math.hypot(5020 - low_j, beside_j), rel=1e-3)
        assert higher_j - 5020 == pytest.approx(math.hypot(high_j - 5020, beside_j), rel=1e-3)
    else:
        assert (low_j - lower_j, higher_j - high_j) == pytest.approx((beside_j, beside_j), rel=1e-3)


JOULES = st.floats(0, 1e9)


@settings(max_examples=1000, deadline=None, derandomize=True, database=None)
@given(
    joules=st.tuples(JOULES, JOULES),
    source=st.sampled_from([LOAD_CURVE, "codecarbon"]),
    memory=st.sampled_from(["modelled", "counter"]),
    gpu_j=st.none() | JOULES,
    duration_s=st.floats(1e-3, 1e6),
    busy_cores=st.floats(-0.1, 3),
    floor_w=st.sampled_from([0.0, 50.0]),
    virtual=st.booleans(),
    identity=st.sampled_from([GENOA, None]),
)
def test_energy_lies_within_its_interval(
    joules, source, memory, gpu_j, duration_s, busy_cores, floor_w, virtual, identity
):
    readings = by_load_curve(*joules)[:2] if source == LOAD_CURVE else modelled(*joules)
    if memory == "counter":
        readings[1] = readings[1].model_copy(update={"provenance": memory, "source": "rapl"})
    if gpu_j is not None:
        readings.append(reading(gpu_j, domain="gpu0", provenance="counter"))
    use = QUIET.model_copy(update={"busy_cores": busy_cores})
    window = one_window(readings, duration_s, floor_w, genoa(identity=identity, virtual=virtual), use)
    measured = Measurement.model_construct(
        readings=readings,
        total=window.total(0),
        models=estimate_energies(window),
        prediction=predict_energy(window),
    )
    assert (measured.prediction is not None) == (source == LOAD_CURVE and memory == "modelled")
    low_j, high_j = measured.interval_j
    assert low_j <= measured.energy_j <= high_j
    # As printed, too.
    low, energy, high = (
        float(significant(each).replace(",", "")) for each in (low_j, measured.energy_j, high_j)
    )
    assert low <= energy <= high


def test_what_the_load_curve_did_not_read_has_no_prediction():
    lost = by_load_curve(6.0, 14.0, reading(None, domain="gpu0", provenance="missing", uncertainty_j=None))
    for readings in ([reading(30.0, provenance="counter"), *modelled()], modelled(), lost):
        window = one_window(readings, 2.0, machine=genoa(), contention=QUIET)
        assert predict_energy(window) is None


def test_what_is_kept_beside_the_best_reading_is_not_recomputed():
    window = one_window(by_load_curve(6.0, 14.0), 2.0, machine=genoa(), contention=QUIET)
    again = window.apply(window.change_power(POWER_MODELS["processor_time_alone"]))
    assert again.energy_j[0].tolist() == pytest.approx([16.0, 0.0, 3.4, 40.0])


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


@pytest.mark.parametrize(
    ("origin", "virtual", "rated_tdp_w"),
    [("exact", False, 8.0), ("fuzzy", False, 8.0), ("per thread", False, None), ("exact", True, None)],
)
def test_a_tdp_is_that_of_the_machine_where_a_table_has_the_processor_and_nobody_shares_it(
    origin, virtual, rated_tdp_w
):
    machine = genoa(identity=None, virtual=virtual)
    sentence = reading(1.0, detail=f"load model on a TDP of 8 W ({origin}) for any")
    field = reading(1.0, tdp_w=8.0, tdp_origin=origin)
    for each in (sentence, field):
        use = one_window([each], 2.0, machine=machine, contention=QUIET).use
        assert (use.tdp_w, use.rated_tdp_w) == (8.0, rated_tdp_w)
        assert (use.servers.evidence == "tdp") == (rated_tdp_w is not None)
