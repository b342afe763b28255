"""Servers with which a processor is compared, by the identification numbers of the processor."""

import pytest

from joules.instrument.doctor import _generation
from joules.instrument.host.machine import describe
from joules.power.servers import ProcessorIdentity, choose_servers, generations, server_powers

AMD, INTEL = "AuthenticAMD", "GenuineIntel"


@pytest.mark.parametrize(
    ("vendor", "family", "model", "stepping", "generation"),
    [
        (AMD, 25, 17, 1, "AMD EPYC 4th (Genoa)"),
        (AMD, 25, 1, 1, "AMD EPYC 3rd (Milan)"),
        (AMD, 25, 160, 2, "AMD EPYC 4th, dense (Bergamo, Siena)"),
        (INTEL, 6, 85, 4, "Intel Xeon Skylake-SP"),
        (INTEL, 6, 85, 7, "Intel Xeon Cascade Lake"),
        (INTEL, 6, 85, 11, "Intel Xeon Cooper Lake"),
        (INTEL, 6, 143, 8, "Intel Xeon Sapphire Rapids"),
        (INTEL, 6, 158, 10, "any machine, by threads"),
        ("ARM", 25, 17, 1, "any machine, by threads"),
    ],
)
def test_a_generation_is_known_by_family_model_and_stepping(vendor, family, model, stepping, generation):
    identity = ProcessorIdentity(vendor=vendor, family=family, model=model, stepping=stepping)
    assert choose_servers(identity).name == generation


def test_a_machine_of_no_known_generation_is_compared_by_what_else_is_known():
    assert choose_servers(None, rated_tdp_w=65.0).evidence == "tdp"
    assert choose_servers(None, is_part=True).evidence == "threads"
    assert choose_servers(None).evidence == "machines"
    assert "may be no server" in choose_servers(None).basis


def test_no_two_generations_cover_the_same_processor():
    for generation in generations():
        if not generation.vendor:
            continue
        for model in generation.models:
            for stepping in generation.steppings:
                identity = ProcessorIdentity(
                    vendor=generation.vendor, family=generation.family, model=model, stepping=stepping
                )
                assert [other for other in generations() if other.covers(identity)] == [generation]


def test_powers_are_in_order_and_the_interval_holds_the_prediction():
    for servers in server_powers().values():
        assert 0 < servers.idle_w < servers.full_w
        assert servers.curve[0] == 0
        assert servers.curve[-1] == 1
        assert list(servers.curve) == sorted(servers.curve)
        assert all(low <= 1 <= high for low, high in zip(servers.low, servers.high, strict=True))


def test_the_doctor_says_what_was_recognized_and_from_what():
    genoa = ProcessorIdentity(vendor=AMD, family=25, model=17, stepping=1)
    said = _generation(describe().model_copy(update={"identity": genoa}))
    assert said.startswith(
        "AuthenticAMD family 25 model 17 stepping 1: AMD EPYC 4th (Genoa); the 20 wall-metered"
    )
    assert "0.331 W per thread when idle and 1.86 W at full load" in said
    unknown = genoa.model_copy(update={"model": 250})
    assert "none of the 17 generations" in _generation(describe().model_copy(update={"identity": unknown}))
    assert "generation is unknown" in _generation(describe().model_copy(update={"identity": None}))
