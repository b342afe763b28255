"""Which sources a campaign takes: a partial reading is refused before anything is measured."""

import time
from types import SimpleNamespace

import pytest

from joules.bench import measure
from joules.errors import UserError
from joules.instrument.source import Channel, Notice, Source

PROCESSOR = Channel("cpu", "rapl", "counter", "cumulative_j", "package-0")
LOST = Channel("gpu1", "nvml", "missing", "cumulative_j", "NVML cannot read it (GPU is lost)")
SPLIT = Notice("gpu0", "split by MIG", "flag")


class Fixed(Source):
    """A source that only says what it has."""

    def __init__(self, *channels, notices=()):
        self._channels, self._notices, self.is_closed = channels, notices, False

    @property
    def channels(self):
        return self._channels

    def read(self):
        return {channel: time.monotonic() for channel in self._channels}

    def notices(self):
        return self._notices

    def close(self):
        self.is_closed = True


def found(*sources):
    """What is discovered, the last source being that of GPUs."""

    def discover(job, *, without_gpu):
        return list(sources[:-1] if without_gpu else sources), {}

    return discover


@pytest.fixture
def progress():
    said = []
    return SimpleNamespace(say=said.append, said=said)


@pytest.mark.parametrize(
    ("gpus", "reason"),
    [(Fixed(LOST), "gpu1: NVML cannot read it"), (Fixed(notices=[SPLIT]), "gpu0: split by MIG")],
)
def test_a_gpu_that_cannot_be_read_is_refused(monkeypatch, progress, gpus, reason):
    monkeypatch.setattr(measure, "discover", found(Fixed(PROCESSOR), gpus))
    with pytest.raises(UserError, match=reason) as refused:
        measure.discover_sources(None, False, progress)
    assert "without_gpu=true" in str(refused.value)
    assert gpus.is_closed


def test_gpus_are_left_out_on_request(monkeypatch, progress):
    monkeypatch.setattr(measure, "discover", found(Fixed(PROCESSOR), Fixed(LOST)))
    (source,) = measure.discover_sources(None, True, progress)
    assert source.channels == (PROCESSOR,)
    assert progress.said == ["cpu energy: counter, package-0"]
