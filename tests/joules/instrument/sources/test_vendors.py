"""Messages of other vendors' sources about unreadable parts; the laboratory tests their readings."""

import sys
import time

import pytest

from joules.instrument.source import SourceError, device_use
from joules.instrument.sources import SOURCES, amdsmi, apple, battery, cray, discover, hwmon
from validation.laboratory.curve import constant
from validation.laboratory.machine import Machine
from validation.laboratory.situations.modules import AmdCard, amdsmi_module


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "machine")


def opened(machine, monkeypatch, *cards):
    monkeypatch.setitem(sys.modules, "amdsmi", amdsmi_module(machine.clock, cards))
    (source,) = amdsmi.open_sources(machine.host)
    return source


def test_every_source_is_opened_or_says_why_not(machine):
    """On a machine without any hardware only the models open."""
    sources, absent = discover(machine.job, machine.host)
    assert set(absent) == set(SOURCES) - {"load curve", "codecarbon"}
    assert {channel.provenance for source in sources for channel in source.channels} == {"modelled"}
    assert all(reason and not reason.endswith(".") for reason in absent.values())


@pytest.mark.parametrize(
    ("opener", "reason"),
    [
        (hwmon.open_sources, "no sensor of energy or power"),
        (battery.open_sources, "no battery is discharging"),
        (cray.open_sources, "no counters under .*pm_counters"),
        (amdsmi.open_sources, "module amdsmi is not installed"),
        (apple.open_sources, "module zeus_apple_silicon is not installed"),
    ],
)
def test_a_machine_without_the_hardware_is_told(machine, opener, reason):
    with pytest.raises(SourceError, match=reason):
        opener(machine.host)


def test_a_sensor_that_may_not_be_read_is_named_and_the_others_are_read(machine):
    machine.add_files(
        {
            "sys/class/hwmon/hwmon0/name": "amd_energy\n",
            "sys/class/hwmon/hwmon0/energy1_input": "",
            "sys/class/hwmon/hwmon0/energy1_label": "Esocket0\n",
            "sys/class/hwmon/hwmon1/name": "power_meter\n",
            "sys/class/hwmon/hwmon1/device/power1_average": "90000000\n",
        }
    )
    (source,) = hwmon.open_sources(machine.host)
    assert [channel.domain for channel in source.channels] == ["machine"]
    assert [str(notice)[:16] for notice in source.notices()] == ["hwmon: NOT READ:"]


def test_the_second_die_of_a_card_reads_nothing_and_says_who_reports(machine, monkeypatch):
    cards = (AmdCard("AMD INSTINCT MI250X", constant(300.0)), AmdCard("AMD INSTINCT MI250X", None))
    source = opened(machine, monkeypatch, *cards)
    assert {channel.domain for channel in source.channels} == {"gpu-amd0"}
    assert all("both dies" in channel.detail for channel in source.channels)
    assert [str(notice) for notice in source.notices()] == [
        "gpu-amd1: reports nothing: gpu-amd0 reports for both dies of AMD INSTINCT MI250X"
    ]


def test_a_card_that_reports_nothing_is_named(machine, monkeypatch):
    source = opened(machine, monkeypatch, AmdCard("one", constant(90.0)), AmdCard("two", None))
    assert {channel.domain for channel in source.channels} == {"gpu-amd0"}
    (notice,) = source.notices()
    assert str(notice).startswith("gpu-amd1: NOT READ")


def test_processes_on_a_card_tell_the_job_from_others(machine, monkeypatch):
    source = opened(machine, monkeypatch, AmdCard("one", constant(90.0)))
    library = sys.modules["amdsmi"]
    since_s = time.time()
    (unused,) = device_use([source], since_s)
    assert (unused.job_share, unused.foreign_processes) == (0.0, [])
    machine.job.pids = {10}
    library.amdsmi_get_gpu_process_list = lambda _: [{"pid": 10}]
    (alone,) = device_use([source], since_s)
    assert (alone.domain, alone.job_share, alone.load, alone.foreign_processes) == ("gpu-amd0", 1.0, 0.75, [])
    library.amdsmi_get_gpu_process_list = lambda _: [{"pid": 10}, {"pid": 77}]
    (shared,) = device_use([source], since_s)
    assert (shared.job_share, shared.foreign_processes) == (None, [77])
    assert "how busy each" in shared.doubts[0]


def test_cards_that_are_not_shown_to_the_job_are_not_its_own(machine, monkeypatch):
    monkeypatch.setenv("ROCR_VISIBLE_DEVICES", "1,2")
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "1")
    source = opened(machine, monkeypatch, *(AmdCard("one", constant(90.0)) for _ in range(3)))
    assert [use.is_visible for use in source.device_use(0.0)] == [False, False, True]


def test_a_container_with_numbers_of_its_own_does_not_know_its_share(machine, monkeypatch):
    monkeypatch.setattr(amdsmi, "in_initial_pid_namespace", lambda: False)
    source = opened(machine, monkeypatch, AmdCard("one", constant(90.0)))
    sys.modules["amdsmi"].amdsmi_get_gpu_process_list = lambda _: [{"pid": 70001}]
    (use,) = source.device_use(0.0)
    assert (use.job_share, use.foreign_processes) == (None, [])
    assert "numbers of the host" in use.doubts[0]


def test_a_driver_that_fails_later_is_a_fault_of_each_channel(machine, monkeypatch):
    source = opened(machine, monkeypatch, AmdCard("one", constant(90.0)), AmdCard("two", constant(50.0)))
    library = sys.modules["amdsmi"]
    energy = library.amdsmi_get_energy_count

    def lost(handle):
        if handle == 1:
            raise library.AmdSmiException("the device is gone")
        return energy(handle)

    library.amdsmi_get_energy_count = lost
    values = {(c.domain, c.provenance): value for c, value in source.read().items()}
    assert isinstance(values["gpu-amd0", "counter"], float)
    assert str(values["gpu-amd1", "counter"]) == "amdsmi lost gpu-amd1: the device is gone"
    assert values["gpu-amd1", "sampled"] == 50.0
