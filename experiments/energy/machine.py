"""What machine this is, in the words a table and a caption need."""

from __future__ import annotations

import functools
import hashlib
import platform
from pathlib import Path
from typing import Any

import psutil
import pynvml

from experiments.energy.sources.nvml import accessible_gpus
from experiments.schema import Closed


class Gpu(Closed):
    """A GPU as its driver names it; memory in GiB, null where it has none apart from the processor's."""

    name: str
    memory_gib: int | None
    driver: str


class Machine(Closed):
    """Hardware and operating system. `id` is a hash of the hardware alone, the same on a twin."""

    id: str
    processor: str
    logical_cores: int
    memory_gib: int
    virtual: bool
    gpus: list[Gpu]
    system: str
    python: str

    @property
    def words(self) -> str:
        """A noun phrase for prose."""
        kind = "virtual machine" if self.virtual else "machine"
        gpus = ", ".join(gpu.name for gpu in self.gpus) or "no GPU"
        return f"{self.logical_cores}-core {kind} ({self.processor}, {self.memory_gib} GiB, {gpus})"


@functools.cache
def describe() -> Machine:
    """The machine this process runs on."""
    processor, virtual = _processor()
    cores = psutil.cpu_count() or 1
    memory_gib = round(psutil.virtual_memory().total / 1024**3)
    gpus = _gpus()
    hardware = f"{processor}|{cores}|{memory_gib}|{'|'.join(gpu.name for gpu in gpus)}"
    return Machine(
        id=hashlib.sha256(hardware.encode()).hexdigest()[:12],
        processor=processor,
        logical_cores=cores,
        memory_gib=memory_gib,
        virtual=virtual,
        gpus=gpus,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def _processor() -> tuple[str, bool]:
    """(processor name, whether the CPU says that it is virtual)."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine(), False
    lines = (line.partition(":") for line in text.splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    return fields.get("model name", platform.machine()), "hypervisor" in fields.get("flags", "")


def _gpus() -> list[Gpu]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        return [
            Gpu(name=str(pynvml.nvmlDeviceGetName(handle)), memory_gib=_memory_gib(handle), driver=driver)
            for _, handle in accessible_gpus()
        ]
    finally:
        pynvml.nvmlShutdown()


def _memory_gib(handle: Any) -> int | None:
    try:
        return round(pynvml.nvmlDeviceGetMemoryInfo(handle).total / 1024**3)
    except pynvml.NVMLError:
        return None
