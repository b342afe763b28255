"""Software Carbon Intensity, SI prefixes, and the formats of other tools."""

import csv
import dataclasses
import json
import re

import pytest
from codecarbon.output_methods.emissions_data import EmissionsData

from joules.errors import UserError
from joules.instrument import carbon
from joules.instrument.carbon_intensity import LIFETIME_S, embodied_kg, measure_intensity
from joules.instrument.command import MeteredCommand
from joules.instrument.command_report import report
from joules.instrument.exchange import append_emissions, describe_boamps
from joules.instrument.host.gpus import Gpu
from tests import ROOT
from tests.joules.instrument.test_benchmark import measurement
from tests.records import MACHINE, reading

WORLD = carbon.grid(carbon.WORLD)


def metered(energy_j=3.6e6, **changes):
    measured = measurement(
        energy_j,
        readings=[
            reading(energy_j / 2, provenance="counter", source="rapl"),
            reading(energy_j / 4, domain="dram", provenance="counter", source="rapl"),
            reading(energy_j / 4, domain="gpu0", provenance="counter", source="nvml"),
        ],
        **changes,
    )
    return MeteredCommand(
        **dict(measured),
        command=["python", "train.py"],
        exit_code=0,
        still_running=0,
        machine=MACHINE.model_copy(update={"gpus": [Gpu(name="GPU", memory_gib=80, driver="1")]}),
        notices=[],
        impact=carbon.impact(energy_j, WORLD, 1.5, 0.2) if measured.total else None,
    )


def test_embodied_carbon_is_boaviztas_sum():
    # 2 logical processors: 1 core; 8 GiB: 1 module. By hand, in kg.
    server = 6.68 + 150 + 66.1 + 145.314 + 9.14 + 1.97 * 0.245 + 5.22 + 2.2 * 8 / 1.79
    assert embodied_kg(MACHINE) == pytest.approx(server)
    gpus = [Gpu(name="GPU", memory_gib=80, driver="1")] * 2
    assert embodied_kg(MACHINE.model_copy(update={"gpus": gpus})) == pytest.approx(server + 300)


def test_intensity_is_operational_and_embodied_carbon_per_unit():
    sci = measure_intensity(3.6e6, LIFETIME_S / 1000, MACHINE, 100.0, 1.5, units=10.0)
    assert sci.operational_g == pytest.approx(150)
    assert sci.embodied_g == pytest.approx(embodied_kg(MACHINE))
    assert sci.per_unit_g == pytest.approx((150 + embodied_kg(MACHINE)) / 10)
    assert "per functional unit (units: 10;" in str(sci)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 g"), (1, "1 g"), (999.9, "1 kg"), (0.00123, "1.23 mg"), (4.56e7, "45.6 Mg"), (1e-20, "1e-05 fg")],
)
def test_quantities_have_prefixes(value, text):
    assert carbon.format_si(value, "g") == text


def test_equivalents_are_said_where_they_say_something():
    small, large = (
        carbon.statement(carbon.impact(j, WORLD, 1.0, 0.15), WORLD, "counter") for j in (10.0, 1e7)
    )
    assert "2.78 mWh (counter; power usage effectiveness 1) emitted 1.32 mg of CO2" in small
    assert "litres" not in small
    assert "litres" in large
    assert "Software Carbon Intensity" not in report(metered(), WORLD)


def test_a_row_has_the_columns_and_units_of_codecarbon(tmp_path):
    path = tmp_path / "emissions.csv"
    for _ in range(2):
        append_emissions(metered(), WORLD, path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [field.name for field in dataclasses.fields(EmissionsData)]
    assert len({row["run_id"] for row in rows}) == 2
    row = rows[0]
    assert float(row["energy_consumed"]) == pytest.approx(1.0)
    parts = [float(row[f"{part}_energy"]) for part in ("cpu", "ram", "gpu")]
    assert parts == pytest.approx([0.5, 0.25, 0.25])
    assert float(row["emissions"]) == pytest.approx(1.5 * WORLD.intensity_g_per_kwh / 1000)
    assert float(row["gpu_power"]) == pytest.approx(0.9e6 / 2)
    assert (row["country_iso_code"], row["timestamp"]) == ("WOR", "2026-11-28T10:01:00")
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="has other columns"):
        append_emissions(metered(), WORLD, path)
    with pytest.raises(UserError, match="is missing"):
        append_emissions(metered(total=None), WORLD, tmp_path / "new.csv")


def test_a_report_of_boamps_has_what_its_schema_requires():
    made = json.loads(describe_boamps(metered(), WORLD))
    assert {"task", "measures", "infrastructure"} <= set(made)
    assert {"taskStage", "taskFamily", "algorithms", "dataset"} <= set(made["task"])
    (measure,) = made["measures"]
    assert measure["powerConsumption"] == pytest.approx(1.0)
    assert measure["measurementDuration"] == 2.0
    assert (measure["cpuTrackingMode"], measure["gpuTrackingMode"]) == ("rapl", "nvml")
    assert measure["measurementDateTime"] == "2026-11-28 10:00:00"
    assert measure["averageUtilizationCpu"] == 1.0
    kinds = [component["componentType"] for component in made["infrastructure"]["components"]]
    assert kinds == ["cpu", "ram", "gpu"]
    assert made["quality"] == "high"
    with pytest.raises(UserError, match="is missing"):
        describe_boamps(metered(total=None), WORLD)


def test_a_cell_of_a_notebook_shows_its_energy():
    shells = pytest.importorskip("IPython.core.interactiveshell", reason="install envs/trainers.lock")
    shell = shells.InteractiveShell.instance()
    page = (ROOT / "docs" / "how-to" / "notebook.md").read_text(encoding="utf-8")
    cells = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(cells) > 1
    for cell in cells:
        assert shell.run_cell(cell).success
    window = shell.run_cell_magic("joules", "sums", "x = sum(range(1000))\n")
    assert shell.user_ns["x"] == 499500
    assert window.name == "sums"
    assert "Energy of sums" in window._repr_html_()
    with pytest.raises(ZeroDivisionError):
        shell.run_cell_magic("joules", "", "1 / 0\n")
