"""The environment of every child process: variables, package versions, fork server."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
import sys
import tempfile
from typing import Any

from joules.errors import UserError

# On a CPU, memory allocation is the largest source of spread. By default each forward pass returns its large
# tensors to the kernel and faults them in again (MNASNet at batch size 1: 20 ms, and 9 ms in a process whose
# allocator had raised its thresholds by chance), and the physical pages of a tensor are chance (DenseNet-121:
# 41 to 58 ms, and 33 to 35 ms on huge pages). Children keep allocated memory, on huge pages.
_MEMORY = {
    "GLIBC_TUNABLES": ":".join(
        f"glibc.malloc.{name}={value}"
        for name, value in {"hugetlb": 1, "mmap_max": 0, "trim_threshold": 2**40, "top_pad": 2**26}.items()
    ),
    "THP_MEM_ALLOC_ENABLE": "1",
}

# By default PyTorch convolves in TF32 and multiplies matrices in single precision on the same GPU: operations
# of different layers would not be comparable. All of NVIDIA's libraries use single precision.
_PRECISION = {"NVIDIA_TF32_OVERRIDE": "0"}

# Variables of the user that change threads, instructions, numbers or memory of a child, or Python itself:
# they are removed, but for those that name devices and files.
_REMOVED = (
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "VECLIB_", "NUMEXPR_", "NPY_"),
    *("ONEDNN_", "DNNL_", "LRU_CACHE_CAPACITY", "ATEN_", "TORCH", "PYTORCH_", "CUDA_", "CUBLAS_", "CUDNN_"),
    *("LD_PRELOAD", "LD_AUDIT", "MALLOC_", "TCMALLOC_", "PYTHON"),
)
_KEPT = {
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_PATH"),
    *("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY", "TORCHINDUCTOR_CACHE_DIR"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONPYCACHEPREFIX"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONUTF8", "PYTHONIOENCODING"),
}

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
    """Environment variables that every child is given, for a number of threads."""
    return {"OMP_NUM_THREADS": str(threads), **_MEMORY, **_PRECISION}


def measured_environment(threads: int) -> dict[str, str]:
    """All environment variables of a child: the user's without those that change what is measured, and those
    that every child is given."""
    users = {
        name: value for name, value in os.environ.items() if name in _KEPT or not name.startswith(_REMOVED)
    }
    return users | child_environment(threads)


def find_interference() -> list[str]:
    """What changes children and is not removed: modules of the user's, and options of this interpreter."""
    options = {"-X dev": sys.flags.dev_mode, "-O": sys.flags.optimize}
    return [
        *(["PYTHONPATH is set"] if os.environ.get("PYTHONPATH") else []),
        *(f"Python runs with {option}" for option, is_given in options.items() if is_given),
    ]


def package_versions() -> dict[str, str]:
    """Versions of the packages that workloads use, by package."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def start_fork_server(experiment: str, threads: int) -> Any:
    """A multiprocessing context whose children start with torch and the workload already imported.

    Importing them takes seconds. Forking from a process that has imported them takes milliseconds, and each
    run still has its own process.

    Args:
        experiment: Name of the experiment.
        threads: Threads of each child.

    Returns:
        The context.

    Raises:
        UserError: If the folder for temporary files has too long a path for a socket.
    """
    environment = measured_environment(threads)
    for name in os.environ.keys() - environment:
        del os.environ[name]
    os.environ |= environment
    context = multiprocessing.get_context("forkserver")
    workload = f"experiments.{experiment}.workload"
    context.set_forkserver_preload(["torch", "torchvision", "joules.bench.child", workload])
    starter = context.Process(target=_do_nothing)
    try:
        starter.start()
    except OSError as fault:
        # The socket of the fork server is there; the kernel limits its path to about 100 characters.
        if "path too long" not in str(fault):
            raise
        raise UserError(
            f"path of the folder for temporary files is too long ({tempfile.gettempdir()}): set TMPDIR to a "
            "shorter path, for example /tmp"
        ) from None
    starter.join()
    return context


def _do_nothing() -> None:
    """Starts the fork server, and its imports, before anything is measured."""
