"""Which servers a processor is compared with, by the numbers that it gives."""

import pytest

from joules.instrument.doctor import _generation
from joules.instrument.host.machine import describe
from joules.power.servers import ProcessorIdentity, published_servers, recognize_servers

AMD, INTEL = "AuthenticAMD", "GenuineIntel"


@pytest.mark.parametrize(
    ("vendor", "family", "model", "stepping", "generation"),
    [
        (AMD, 25, 17, 1, "AMD EPYC 4th (Genoa)"),
        (AMD, 25, 1, 1, "AMD EPYC 3rd (Milan)"),
        (AMD, 25, 160, 2, "AMD EPYC 4th, dense (Bergamo, Siena)"),
        (INTEL, 6, 85, 4, "Intel Xeon Skylake-SP"),
        (INTEL, 6, 85, 7, "Intel Xeon Cascade Lake"),
        (INTEL, 6, 143, 8, "Intel Xeon Sapphire Rapids"),
        (INTEL, 6, 158, 10, None),
        ("ARM", 25, 17, 1, None),
    ],
)
def test_a_generation_is_known_by_family_model_and_stepping(vendor, family, model, stepping, generation):
    identity = ProcessorIdentity(vendor=vendor, family=family, model=model, stepping=stepping)
    servers = recognize_servers(identity)
    assert (servers.generation if servers else None) == generation


def test_no_two_generations_cover_the_same_processor():
    for servers in published_servers():
        for model in servers.models:
            for stepping in servers.steppings or (0, 1, 15):
                identity = ProcessorIdentity(
                    vendor=servers.vendor, family=servers.family, model=model, stepping=stepping
                )
                assert [other for other in published_servers() if other.covers(identity)] == [servers]


def test_powers_are_in_order():
    for servers in published_servers():
        assert 0 < servers.idle_low_w <= servers.idle_w <= servers.idle_high_w
        assert servers.idle_w < servers.full_w
        assert servers.full_low_w <= servers.full_w <= servers.full_high_w


def test_the_doctor_says_what_was_recognised_and_from_what():
    genoa = ProcessorIdentity(vendor=AMD, family=25, model=17, stepping=1)
    said = _generation(describe().model_copy(update={"identity": genoa}))
    assert said.startswith(
        "AuthenticAMD family 25 model 17 stepping 1: AMD EPYC 4th (Genoa); the 20 published"
    )
    assert "0.331 W a thread at rest and 1.86 W at full load" in said
    unknown = genoa.model_copy(update={"model": 250})
    assert "none of the 16 generations" in _generation(describe().model_copy(update={"identity": unknown}))
    assert "is not known" in _generation(describe().model_copy(update={"identity": None}))
