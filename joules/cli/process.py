"""Prepares the process that a command runs in: its streams, its folder, its arithmetic."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from joules.errors import UserError

# Id of a process that was replaced by one that runs the repository's code, which happens once.
_REPLACED = "JOULES_REPLACED"
# NumPy and OpenBLAS choose kernels by processor; with these settings any x86-64 with AVX2 runs the same ones.
_SAME_KERNELS = {
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "1",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}


def prepare_streams() -> None:
    """Opens /dev/null for each standard stream that the caller has closed, and lets any text be printed.

    Otherwise the next file that is opened gets the number of the stream, and printed text is written to it. A
    letter that the encoding of the terminal lacks is printed as a question mark.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(opened, True)
            if opened != number:
                os.dup2(opened, number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        if name != "stdin" and hasattr(stream := getattr(sys, name), "reconfigure"):
            stream.reconfigure(errors="replace")


def enter_repository(root: str | None, arguments: Sequence[str]) -> None:
    """Changes to the root of the repository, so that its experiments can be imported.

    If this package is not the repository's own (an installed copy), the process is replaced by one that runs
    the repository's code: that code is what fingerprints describe.

    Args:
        root: A folder in the repository; None for the current folder.
        arguments: The command line, for the process that takes over.

    Raises:
        UserError: If the folder is not in a repository, or Python does not import its code.
    """
    import tempfile

    import joules
    from joules.study.repository import repository_root

    folder = repository_root(Path(root) if root else None)
    os.chdir(folder)
    own = folder / "joules" / "__init__.py"
    if own.exists() and (sys.flags.safe_path or not own.samefile(joules.__file__)):
        if os.environ.get(_REPLACED) == str(os.getpid()):
            raise UserError(
                f"Python imports {joules.__file__} instead of the code of {folder}: "
                "run 'python -m joules' there"
            )
        sys.stderr.flush()
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
        command = [sys.executable, "-m", "joules", *_without_root(arguments)]
        os.execve(sys.executable, command, environment | {_REPLACED: str(os.getpid())})
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    # In a notebook it names a back end that this process may not have.
    os.environ["MPLBACKEND"] = "agg"
    # On import of torchvision, PyTorch creates a folder for compiled kernels and never removes it: it gets
    # one that exists, since nothing is compiled here.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.gettempdir())


def _without_root(arguments: Sequence[str]) -> list[str]:
    kept = list(arguments)
    for place, word in enumerate(kept):
        if word.startswith("--root"):
            del kept[place : place + (1 if "=" in word else 2)]
            break
    return kept


def fix_arithmetic() -> None:
    """Makes NumPy and its BLAS compute the same last digits on any x86-64 processor with AVX2.

    Call it before NumPy is imported. Measurements do not use it: they run the kernels that the processor's
    user would get.
    """
    with contextlib.suppress(OSError):
        if platform.machine() == "x86_64" and " avx2 " in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
            # NumPy takes one of the two lists.
            os.environ.pop("NPY_ENABLE_CPU_FEATURES", None)
            os.environ.update(_SAME_KERNELS)


@contextlib.contextmanager
def block_signals() -> Iterator[None]:
    """Blocks all signals in the body, and so in the threads that libraries start there: the main thread gets
    them."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
