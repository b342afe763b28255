"""Kernel folders (powercap, hwmon, ...) whose files change like those of hardware with known power."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from validation.laboratory.curve import Curve

# Content of a file at an instant; None if it does not exist then.
Content = Callable[[float], str | None]
Files = Mapping[str, str | Content]


def monitor(packages: Mapping[int, int], vendor: str = "GenuineIntel") -> Files:
    """Files of the kernel's performance monitor of power.

    AMD processors do not count memory.

    Args:
        packages: Package of each processor with counters.
        vendor: Vendor of the processor in /proc/cpuinfo.
    """
    folder = "sys/bus/event_source/devices/power"
    events = {
        f"{folder}/events/{name}{ending}": text
        for name, number in (("energy-pkg", 2), ("energy-ram", 3))[: 1 if vendor == "AuthenticAMD" else 2]
        for ending, text in (
            ("", f"event=0x{number:02x}\n"),
            (".scale", f"{2.0**-32!r}\n"),
            (".unit", "Joules\n"),
        )
    }
    topology = {
        f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id": f"{package}\n"
        for cpu, package in packages.items()
    }
    return {
        f"{folder}/type": "32\n",
        f"{folder}/cpumask": ",".join(map(str, packages)) + "\n",
        "proc/cpuinfo": f"processor\t: 0\nvendor_id\t: {vendor}\n",
        **events,
        **topology,
    }


class Tree:
    """Files under `root` by relative path: a text, or a function of the laboratory's time in seconds."""

    def __init__(self, root: Path, files: Files) -> None:
        self.root = root
        self._moving: dict[Path, Content] = {}
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            else:
                self._moving[path] = content

    def move(self, at_s: float) -> None:
        """Write every file for an instant."""
        for path, content in self._moving.items():
            text = content(at_s)
            if text is None:
                path.unlink(missing_ok=True)
            else:
                # Atomic replacement, because a source may read at the same time.
                fresh = path.with_suffix(".new")
                fresh.write_text(text, encoding="utf-8")
                fresh.replace(path)


def zone(
    folder: str,
    name: str,
    curve: Curve,
    range_uj: int = 262_143_328_850,
    every_s: float = 0.001,
    shown: Callable[[float], float | None] = lambda at_s: at_s,
    offset_uj: int = 5_000_000,
    limit_w: float | None = None,
) -> Files:
    """Files of a powercap zone in `folder` that counts the energy of `curve` every `every_s` seconds.

    `shown` maps an instant to the instant whose energy the counter shows; None if the file does not exist. A
    counter that stops at second 2 shows `min(at_s, 2)`.
    """

    def counted(at_s: float) -> str | None:
        seen_s = shown(at_s)
        if seen_s is None:
            return None
        updated_s = int(seen_s / every_s + 1e-6) * every_s
        return f"{(int(float(curve.counted_j(updated_s)) * 1e6) + offset_uj) % range_uj}\n"

    limits: Files = (
        {}
        if limit_w is None
        else {
            f"{folder}/constraint_0_name": "long_term\n",
            f"{folder}/constraint_0_power_limit_uw": f"{limit_w * 1e6:.0f}\n",
        }
    )
    return {
        f"{folder}/name": f"{name}\n",
        f"{folder}/max_energy_range_uj": f"{range_uj}\n",
        f"{folder}/energy_uj": counted,
        **limits,
    }
