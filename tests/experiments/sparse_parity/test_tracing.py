"""Traces of a few accesses, and every metric of them computed by hand."""

import gc
import math

import numpy as np
import pytest

from experiments.sparse_parity import metrics
from experiments.sparse_parity.tracing import Access, Freed, Trace


def access(buffer, start, stop, itemsize=8, is_write=False):
    return Access(buffer, start, stop, (stop - start) // itemsize, itemsize, is_write)


def distances(*events):
    return list(metrics.reuse_distances(events))


def test_a_sweep_over_one_array_again_and_again():
    """The reuse distance of every element is the size of the array."""
    assert distances(access(1, 0, 80), access(1, 0, 80)) == [(10, 80), (10, 80)]


def test_what_lies_between_two_accesses_counts_once():
    a, b = access(1, 0, 80), access(2, 0, 160)
    assert distances(a, b, b, a) == [(10, 80), (20, 240), (20, 160), (10, 240)]


def test_a_part_of_an_array_is_found_within_it():
    """The second half was touched last; the first half is below it, with the rest of the span."""
    found = distances(access(1, 0, 80), access(1, 40, 80), access(1, 0, 40))
    assert found == [(10, 80), (5, 80), (5, 80)]


def test_an_access_that_reaches_beyond_what_is_known():
    found = distances(access(1, 0, 40), access(1, 0, 80))
    # Five elements again, five for the first time, with forty bytes on the stack.
    assert found[1:] == [(5, 40), (5, 80)]


def test_what_was_freed_lies_between_nothing():
    a, b = access(1, 0, 80), access(2, 0, 800)
    assert distances(a, b, Freed(2), a)[-1] == (10, 80)


def test_a_view_that_skips_counts_its_own_elements():
    skipping = Access(1, 0, 80, 5, 8, is_write=False)
    assert distances(access(1, 0, 80), skipping) == [(10, 80), (5, 80)]


def test_distances_are_those_of_a_stack_of_single_bytes():
    """Whole arrays in any order, compared with a list of single bytes, the most recently touched first."""
    random = np.random.default_rng(0)
    sizes = {1: 5, 2: 9, 3: 2, 4: 14}
    stack, wanted, events = [], [], []
    for buffer in random.integers(1, 5, 60).tolist():
        events.append(Access(buffer, 0, sizes[buffer], sizes[buffer], 1, is_write=False))
        held = len(stack) + sum((buffer, byte) not in stack for byte in range(sizes[buffer]))
        for byte in range(sizes[buffer]):
            one = (buffer, byte)
            wanted.append(stack.index(one) + 1 if one in stack else held)
            stack = [one, *(other for other in stack if other != one)]
    found = list(metrics.reuse_distances(events))
    assert sum(count for count, _ in found) == len(wanted)
    assert sum(count * far for count, far in found) == pytest.approx(sum(wanted))
    assert metrics.data_movement_distance(found) == pytest.approx(sum(map(math.sqrt, wanted)))


def test_metrics_of_a_trace_by_hand():
    """c = a + b for two arrays of four doubles: 4 additions; a and b written and read, c written."""
    trace = Trace()
    a, b = (trace.array(np.arange(4.0)) for _ in range(2))
    c = a + b
    assert (trace.operations, trace.launches) == (4, 1)
    found = metrics.of(trace)
    assert found["bytes_moved"] == 5 * 32
    # a is new at 32; b at 64; a again 64 back, b again 64 back; c is new on top of both.
    assert found["average_reuse_distance_bytes"] == pytest.approx((32 + 64 + 64 + 64 + 96) / 5)
    movement = 4 * (math.sqrt(32) + 3 * math.sqrt(64) + math.sqrt(96))
    assert found["data_movement_distance"] == pytest.approx(movement)
    assert found["peak_bytes"] == 96
    assert c.tolist() == [0, 2, 4, 6]


def test_memory_is_given_back():
    trace = Trace()
    a = trace.array(np.zeros(100))
    for _ in range(5):
        a + 1
    gc.collect()
    assert trace.held_bytes == 800
    assert trace.peak_bytes == 1600


@pytest.mark.parametrize(
    ("work", "operations", "moved"),
    [
        # Bytes that each moves in addition to making two arrays of 6 doubles: reads and writes.
        (lambda a, _: a.sum(), 6, 48),
        (lambda a, b: a @ b.T, 2 * 2 * 2 * 3, 48 + 48 + 32),
        (lambda a, _: a[0], 0, 0),
        (lambda a, _: a[[1, 0, 1]], 0, 9 * 8 + 9 * 8 + 0),
        (lambda a, _: a[1, 2], 0, 8),
        (lambda a, _: a.copy(), 0, 96),
        (lambda a, _: a.astype(np.float32), 0, 48 + 24),
        (lambda a, b: np.concatenate([a, b]), 0, 48 + 48 + 96),
        (lambda a, _: a.argmax(), 0, 48),
        (lambda a, b: np.add(a, b, out=a), 6, 3 * 48),
        (lambda a, _: (a > 2).any(), 6 + 6, 48 + 6 + 6),
    ],
)
def test_what_a_function_calculates_and_moves(work, operations, moved):
    trace = Trace()
    a, b = (trace.array(np.arange(6.0).reshape(2, 3)) for _ in range(2))
    work(a, b)
    assert trace.operations == operations
    assert metrics.bytes_moved(trace.events) == 2 * 48 + moved


def test_writing_into_an_array_is_noted():
    trace = Trace()
    a = trace.array(np.zeros(10))
    a[2:5] = a[0:3]
    assert metrics.bytes_moved(trace.events) == 80 + 24 + 24
    written = trace.events[-1]
    assert (written.start, written.stop, written.is_write) == (16, 40, True)
    np.add.at(a, np.array([1, 1, 2]), 1.0)
    assert trace.operations == 3
    assert a.tolist()[:3] == [0, 2, 1]


def test_results_are_those_of_plain_arrays():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 5, 4))
    trace = Trace()
    a, b = trace.array(x), trace.array(y)
    np.testing.assert_array_equal(np.asarray((a * b).sum(axis=0)), (x * y).sum(axis=0))
    np.testing.assert_array_equal(np.asarray(np.where(a > b, a, b)), np.maximum(x, y))
    np.testing.assert_array_equal(np.asarray(a.reshape(-1, 2)[:, 0]), x.reshape(-1, 2)[:, 0])
    assert [part.tolist() for part in (a > 0).nonzero()] == [part.tolist() for part in (x > 0).nonzero()]
