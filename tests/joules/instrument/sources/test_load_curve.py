"""The source that reads the load curve of wall-metered servers, and when it is not used."""

import dataclasses

import pytest

from joules.instrument.host.machine import describe
from joules.instrument.reading_arrays import LOAD_CURVE
from joules.instrument.source import Host, SourceError
from joules.instrument.sources import codecarbon_model, load_curve
from joules.power.models import load_curve as power_of
from joules.power.servers import ProcessorIdentity

GENOA = ProcessorIdentity(vendor="AuthenticAMD", family=25, model=17, stepping=1)


@pytest.fixture
def here(monkeypatch):
    """A virtual machine with two threads of a Genoa."""

    def machine(**changes):
        fields = {"identity": GENOA, "logical_cores": 2, "memory_gib": 24, "virtual": True} | changes
        monkeypatch.setattr(load_curve, "describe", lambda: describe().model_copy(update=fields))
        return load_curve.LoadCurveModel()

    return machine


def test_it_reads_what_the_model_gives_at_the_load(here):
    source = here()
    cpu, dram = source.channels
    assert {cpu.source, dram.source} == {LOAD_CURVE}
    assert source.memory_w == pytest.approx(22 * 0.284)
    for load in (0.0, 0.5, 1.0):
        use = dataclasses.replace(load_curve.use_of_this_machine(), busy_cores=2 * load)
        assert source.processor_w(load) == power_of(use)["cpu"]
        assert cpu.range_w[0] <= source.processor_w(load) <= cpu.range_w[1]
    values = source.read()
    assert source.processor_w(0.0) <= values[cpu] <= source.processor_w(1.0)
    assert values[dram] == source.memory_w


def test_it_warns_where_the_generation_is_not_known(here):
    assert here().notices() == ()
    (notice,) = here(identity=None).notices()
    assert notice.level == "warning"
    assert "no wall-metered server is known to have this processor" in notice.says


def test_it_stands_back_where_processors_are_read():
    counted = Host(read=frozenset({"cpu"}))
    with pytest.raises(SourceError, match="read by a counter"):
        load_curve.open_sources(counted)
    scopes = {
        name: {channel.scope for source in codecarbon_model.open_sources(host) for channel in source.channels}
        for name, host in (("counted", counted), ("modelled", Host()))
    }
    # The job's share is that of the model that is read.
    assert scopes == {"counted": {"machine", "job"}, "modelled": {"machine"}}
