"""A simulated NVIDIA driver that answers anything."""

from __future__ import annotations

import ctypes
import random
import types
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pynvml

from joules.instrument.source import Host
from joules.instrument.sources.nvml import Nvml

_NUMBERS = (0, 1, 100, 2**31, 2**32 - 1, 2**63, 2**64 - 1, 1_000_000)
_TEXTS = ("NVIDIA Test", "", "\x1b[2J\n", "é" * 300, "GPU-0")


def fuzz_driver(folder: Path) -> Callable[[random.Random], None]:
    """Opens NVML's source on a driver that answers at random, and reads it."""
    host = Host(sys=folder, proc=folder, dev=folder, job=SimpleNamespace(processes=lambda: {7}))  # type: ignore[arg-type]
    asked = [
        name
        for name, value in vars(pynvml).items()
        if name.startswith("nvml") and isinstance(value, types.FunctionType)
    ]

    def read(chance: random.Random) -> None:
        def answer(name: str) -> Callable[..., Any]:
            def answered(*_arguments: Any) -> Any:
                if chance.random() < 0.15:
                    raise pynvml.NVMLError(chance.choice([1, 2, 3, 4, 6, 9, 15, 17, 19, 999]))
                return _answer(name, chance)

            return answered

        with mock.patch.dict(vars(pynvml), {name: answer(name) for name in asked}):
            source = Nvml(host)
            for _ in range(2):
                source.read()
            source.device_use(0.0)
            source.notices()
            source.close()

    return read


def _answer(name: str, chance: random.Random) -> Any:
    """An answer of the type that the function of the driver has."""
    number, few = chance.choice(_NUMBERS), range(chance.randint(0, 2))
    value = SimpleNamespace(uiVal=number, ullVal=number, dVal=float(number), siVal=number % 2**31)
    answers: dict[str, Callable[[], Any]] = {
        "GetCount": lambda: chance.randint(0, 3),
        "FieldValues": lambda: [
            SimpleNamespace(nvmlReturn=chance.choice([0, 0, 3]), value=value, valueType=chance.randint(0, 5))
        ],
        "Samples": lambda: (0, [SimpleNamespace(sampleValue=value, timeStamp=number) for _ in few]),
        "Processes": lambda: [SimpleNamespace(pid=number % 2**31, usedGpuMemory=None) for _ in few],
        "ProcessUtilization": lambda: [
            SimpleNamespace(pid=7, smUtil=number % 2**32, timeStamp=number) for _ in few
        ],
        "MigMode": lambda: chance.choice([(0, 0), (1, 0), (1, 1)]),
        "MemoryInfo": lambda: SimpleNamespace(free=chance.choice(_NUMBERS), total=number, used=number),
        "HandleBy": lambda: ctypes.c_void_p(1),
        **dict.fromkeys(("Name", "Version", "UUID"), lambda: chance.choice(_TEXTS)),
    }
    return next((made for part, made in answers.items() if part in name), lambda: number)()
