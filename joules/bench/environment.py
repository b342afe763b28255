"""What every child works under: variables, versions of packages, and the process it is forked from."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
import tempfile
from typing import Any

from joules.errors import UserError

# How memory is handed out is the largest source of spread on a CPU. By default each forward pass returns its
# large tensors to the kernel and faults them in again (an MNASNet at batch size one: 20 ms, against 9 ms in
# a process that had happened to raise the allocator's thresholds), and which pages back a tensor is luck
# (DenseNet-121: 41 to 58 ms, against 33 to 35 ms on huge pages). Children keep what they have allocated,
# on huge pages.
_MEMORY = {
    "GLIBC_TUNABLES": ":".join(
        f"glibc.malloc.{name}={value}"
        for name, value in {"hugetlb": 1, "mmap_max": 0, "trim_threshold": 2**40, "top_pad": 2**26}.items()
    ),
    "THP_MEM_ALLOC_ENABLE": "1",
}

# On one and the same GPU PyTorch by default convolves in TF32 and multiplies matrices in single precision: an
# operation of one layer would not be that of another. NVIDIA's libraries are held to single precision.
_PRECISION = {"NVIDIA_TF32_OVERRIDE": "0"}

_PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "stable-baselines3",
    "ale-py",
    "minatar",
    "codecarbon",
    "nvidia-ml-py",
)


def child_environment(threads: int) -> dict[str, str]:
    """Variables that every child works under."""
    return {"OMP_NUM_THREADS": str(threads), **_MEMORY, **_PRECISION}


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide what a workload does."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def fork_server(experiment: str, threads: int) -> Any:
    """A process context whose children start with torch and the workload's module already imported.

    Importing them takes seconds; forking from a process that has imported them and done nothing else
    takes milliseconds, and each run still has a process of its own.
    """
    os.environ |= child_environment(threads)
    context = multiprocessing.get_context("forkserver")
    workload = f"experiments.{experiment}.workload"
    context.set_forkserver_preload(["torch", "torchvision", "joules.bench.child", workload])
    starter = context.Process(target=_nothing)
    try:
        starter.start()
    except OSError as fault:
        # The fork server listens at a socket there, whose path the kernel limits to about a hundred letters.
        if "path too long" not in str(fault):
            raise
        raise UserError(
            f"the folder for temporary files has too long a path ({tempfile.gettempdir()}): set TMPDIR to a "
            "shorter one, such as /tmp"
        ) from None
    starter.join()
    return context


def _nothing() -> None:
    """Makes the fork server start, and import, before anything is measured."""
