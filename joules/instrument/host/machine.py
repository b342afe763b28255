"""What machine this is, in the words a table and a caption need."""

from __future__ import annotations

import functools
import hashlib
import platform
from pathlib import Path

import psutil

from joules.instrument.host.gpus import Gpu, describe_gpus
from joules.models import Closed


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
    name = processor or platform.machine()
    cores = psutil.cpu_count() or 1
    memory_gib = round(psutil.virtual_memory().total / 1024**3)
    gpus = describe_gpus()
    hardware = f"{name}|{cores}|{memory_gib}|{'|'.join(gpu.name for gpu in gpus)}"
    return Machine(
        id=hashlib.sha256(hardware.encode()).hexdigest()[:12],
        processor=name,
        logical_cores=cores,
        memory_gib=memory_gib,
        virtual=virtual,
        gpus=gpus,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def processor_name() -> str:
    """What the processor calls itself, as the system tells it; empty where it does not."""
    return _processor()[0]


def _processor() -> tuple[str, bool]:
    """(processor name, whether the CPU says that it is virtual)."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return platform.processor(), False
    lines = (line.partition(":") for line in text.splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    return fields.get("model name", ""), "hypervisor" in fields.get("flags", "")
