"""Hardware and operating system of this machine, for tables and captions."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

import psutil

from joules.instrument.host.gpus import Gpu, describe_gpus
from joules.instrument.host.limits import installed_memory_bytes
from joules.models import Closed
from joules.power.servers import ProcessorIdentity


class Machine(Closed):
    """Hardware and operating system. `id` is a hash of the hardware alone, the same on a twin. `identity` is
    null where the processor has no such numbers, and in records that did not keep them yet."""

    id: str
    processor: str
    logical_cores: int
    memory_gib: int
    virtual: bool
    gpus: list[Gpu]
    system: str
    python: str
    identity: ProcessorIdentity | None = None

    @property
    def words(self) -> str:
        """A noun phrase for prose."""
        kind = "virtual machine" if self.virtual else "machine"
        gpus = ", ".join(gpu.name for gpu in self.gpus) or "no GPU"
        return f"{self.logical_cores}-core {kind} ({self.processor}, {self.memory_gib} GiB, {gpus})"


@functools.cache
def describe() -> Machine:
    """The machine this process runs on."""
    fields = _processor_fields()
    name = processor_name() or platform.machine()
    cores = psutil.cpu_count() or 1
    memory_gib = round(installed_memory_bytes() / 1024**3)
    gpus = describe_gpus()
    hardware = f"{name}|{cores}|{memory_gib}|{'|'.join(gpu.name for gpu in gpus)}"
    return Machine(
        id=hashlib.sha256(hardware.encode()).hexdigest()[:12],
        processor=name,
        logical_cores=cores,
        memory_gib=memory_gib,
        virtual="hypervisor" in fields.get("flags", ""),
        gpus=gpus,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        identity=_identity(fields),
    )


def node_name() -> str | None:
    """Name of this node of a cluster, which Slurm gives to its jobs; None elsewhere."""
    return os.environ.get("SLURMD_NODENAME") or None


def processor_name() -> str:
    """Name of the processor; empty if the system does not report it."""
    return _processor_fields().get("model name", "") or platform.processor()


def _identity(fields: Mapping[str, str]) -> ProcessorIdentity | None:
    try:
        return ProcessorIdentity(
            vendor=fields["vendor_id"],
            family=int(fields["cpu family"]),
            model=int(fields["model"]),
            stepping=int(fields["stepping"]),
        )
    except (KeyError, ValueError):
        return None


def _processor_fields() -> dict[str, str]:
    """Fields of /proc/cpuinfo of the last processor, by name; empty if there is no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}
