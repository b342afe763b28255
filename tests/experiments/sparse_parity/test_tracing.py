"""Traced arrays record every use, or refuse it."""

import gc

import numpy as np
import pytest

from experiments.sparse_parity import workload
from experiments.sparse_parity.metrics import count_bytes, measure
from experiments.sparse_parity.parameters import ACCESS
from experiments.sparse_parity.trace import Trace
from experiments.sparse_parity.tracing import TracedArray, TracedRandom, place


def arrays(count=2, shape=(2, 3)):
    trace = Trace()
    numbers = np.arange(6.0).reshape(shape)
    return trace, *(place(numbers.copy(), trace) for _ in range(count))


def test_metrics_of_a_trace_by_hand():
    """c = a + b for two arrays of six doubles: 6 additions; a and b are read, c is written."""
    trace, a, b = arrays()
    c = a + b
    found = measure(trace)
    assert (found["operations"], found["launches"], found["bytes_moved"]) == (6, 1, 3 * 48)
    assert found["peak_bytes"] == 3 * 48
    # b was placed under a: both are read from a depth of 12 elements.
    assert found["average_reuse_distance"] == pytest.approx((6 * 6 + 6 * 12) / 12)
    assert c.tolist() == [[0, 2, 4], [6, 8, 10]]


def test_memory_is_given_back():
    trace, a = arrays(1)
    for _ in range(5):
        a + 1
    gc.collect()
    assert trace.held_bytes == 48
    assert trace.peak_bytes == 96


@pytest.mark.parametrize(
    ("work", "operations", "moved"),
    [
        (lambda a, _: a.sum(), 6, 48),
        (lambda a, b: a @ b.T, 2 * 2 * 2 * 3, 48 + 48 + 32),
        (lambda a, _: a[0], 0, 0),
        (lambda a, _: list(a), 0, 0),
        (lambda a, _: a[[1, 0, 1]], 0, 48 + 9 * 8),
        (lambda a, _: a[1, 2], 0, 8),
        (lambda a, _: a.copy(), 0, 96),
        (lambda a, _: a.astype(np.float32), 0, 48 + 24),
        (lambda a, _: a.tolist(), 0, 48),
        (lambda a, _: a.T.reshape(-1), 0, 96),
        (lambda a, _: a.reshape(-1), 0, 0),
        (lambda a, b: np.concatenate([a, b]), 0, 48 + 48 + 96),
        (lambda a, _: a.argmax(), 6, 48),
        (lambda a, _: np.flatnonzero(a), 6, 48 + 5 * 8),
        (lambda a, _: np.argsort(a), 6 * 2, 48 + 48),
        (lambda a, b: np.searchsorted(a[0], b[0]), 3 * 2, 24 + 24 + 24),
        (lambda a, _: np.argpartition(a, 1), 6, 48 + 48),
        (lambda a, _: np.arange(3, like=a), 0, 24),
        (lambda a, _: np.eye(2, like=a), 0, 32),
        (lambda a, _: np.asanyarray(np.ones(4), like=a), 0, 0),
        (lambda a, b: np.add(a, b, out=a), 6, 3 * 48),
        (lambda a, _: (a > 2).any(), 6 + 6, 48 + 6 + 6),
        (lambda a, _: a * a[:1], 6, 48 + 24 + 48),
    ],
)
def test_what_a_function_calculates_and_moves(work, operations, moved):
    trace, a, b = arrays()
    result = work(a, b)
    assert trace.operations == operations
    assert count_bytes(trace.events) == moved
    for each in result if isinstance(result, list) else [result]:
        assert isinstance(each, TracedArray) or not isinstance(each, np.ndarray)


def test_a_broadcast_operand_is_read_for_every_result():
    trace, a, b = arrays()
    product = a * b[:1]
    (call,) = trace.events[2:]
    assert product.size == 6
    assert [each.accesses for each in call.reads] == [6, 6]
    assert [each.elements for each in call.reads] == [6, 3]


@pytest.mark.parametrize(
    "work",
    [
        np.cumsum,
        lambda a: a.cumsum(),
        lambda a: a.sort(),
        lambda a: np.sort(a.reshape(-1))[0] in a,
        np.linalg.norm,
        lambda a: np.where(a > 1),
        lambda a: np.ones((2, 2, 2)) @ a[:, :2],
    ],
)
def test_what_the_tracer_does_not_know_it_refuses(work):
    _, a = arrays(1)
    with pytest.raises(TypeError, match="the tracer"):
        work(a)


def test_writing_into_an_array_is_noted():
    trace = Trace()
    a = place(np.zeros(10), trace)
    a[2:5] = a[0:3]
    assert count_bytes(trace.events) == 24 + 24
    (written,) = trace.events[-1].writes
    assert (written.start, written.stop) == (16, 40)
    np.add.at(a, np.array([1, 1, 2]), 1.0)
    assert trace.operations == 3
    assert a.tolist()[:3] == [0, 2, 1]


def test_every_random_number_is_an_operation():
    trace = Trace()
    drawn = TracedRandom(np.random.default_rng(0), trace).integers(0, 2, (3, 64, 20), dtype=np.uint8)
    assert isinstance(drawn, TracedArray)
    assert trace.operations == count_bytes(trace.events) == 3 * 64 * 20


def test_results_are_those_of_plain_arrays():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 5, 4))
    trace = Trace()
    a, b = place(x, trace), place(y, trace)
    np.testing.assert_array_equal(np.asarray((a * b).sum(axis=0)), (x * y).sum(axis=0))
    np.testing.assert_array_equal(np.asarray(np.argsort(a)), np.argsort(x))
    np.testing.assert_array_equal(np.asarray(a.reshape(-1, 2)[:, 0]), x.reshape(-1, 2)[:, 0])
    assert [part.tolist() for part in (a > 0).nonzero()] == [part.tolist() for part in (x > 0).nonzero()]


def prepared(process, noise=0.0):
    sizes = {"bits": 10, "k": 2, "examples": 400, "data_sets": 1, "window_s": 0.01}
    return workload.build({"process": process, "noise": noise, **sizes}, 0)


@pytest.mark.parametrize(("process", "noise"), [*((process, 0.0) for process in ACCESS), ("queries", 0.05)])
def test_all_array_work_of_every_process_is_traced(process, noise):
    assert workload.evaluate(prepared(process, noise))["traced_share"] == 1


@pytest.mark.parametrize(
    ("name", "process", "untraced"),
    [
        # Draws and labels that are not traced are most of the work of `queries`.
        ("TracedRandom", "queries", lambda generator, _: generator),
        ("TracedRandom", "subsets_random", lambda generator, _: generator),
        ("place", "subsets_packed", lambda array, _: array),
    ],
)
def test_an_untraced_path_is_found(monkeypatch, name, process, untraced):
    monkeypatch.setattr(workload, name, untraced)
    assert workload.evaluate(prepared(process))["traced_share"] < 0.95


def test_draws_and_labels_of_queries_are_counted():
    found = workload.evaluate(prepared("queries"))
    # Ten prefixes of two or more candidates, for each 64 pairs of inputs: three draws of 10 bits.
    assert found["operations"] > 10 * 2 * 64 * 3 * 10


def test_the_cache_of_a_core_is_that_of_the_second_level(tmp_path):
    for number, (level, size) in enumerate((("1", "32K"), ("2", "1024K"), ("3", "32768K"))):
        cache = tmp_path / f"index{number}"
        cache.mkdir()
        (cache / "level").write_text(f"{level}\n")
        (cache / "size").write_text(f"{size}\n")
    assert workload.core_cache_bytes(tmp_path) == 1024 * 1024
    assert workload.core_cache_bytes(tmp_path / "absent") is None
