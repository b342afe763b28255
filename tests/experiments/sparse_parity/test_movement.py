"""Distances that data move, compared with published examples and with a stack of single bytes."""

import math

import numpy as np
import pytest

from experiments.sparse_parity.metrics import _repeat_product, measure_movement, sum_roots
from experiments.sparse_parity.stack import LruStack
from experiments.sparse_parity.trace import Access, Call, Freed, Placed, Trace
from experiments.sparse_parity.tracing import place


def access(buffer, start=0, stop=1, itemsize=1):
    elements = (stop - start) // itemsize
    return Access(buffer, start, stop, itemsize, elements, elements)


def read(*accesses):
    return Call(accesses, ())


def placed(*arrays):
    """Traced arrays that lie on the stack in this order, the last on top."""
    trace = Trace()
    traced = [place(array, trace) for array in reversed(arrays)]
    return trace, *reversed(traced)


def byte(*values):
    return np.array(values, dtype=np.uint8)


def test_the_second_a_of_abbbca_has_the_distance_3():
    """The example of Ding et al. 2023 (arXiv 2312.14441)."""
    events = [read(access("abc".index(letter) + 1)) for letter in "abbbca"]
    assert measure_movement(events, True).by_access == pytest.approx(2 * math.sqrt(1) + math.sqrt(3))


def simulate(accesses):
    """Sum of the roots of reuse distances of single data, most recently used last."""
    stack, total = [], 0.0
    for datum in accesses:
        if datum in stack:
            place = stack.index(datum)
            total += math.sqrt(len(stack) - place)
            del stack[place]
        stack.append(datum)
    return total


def three_loops(m, p, n):
    return [
        datum
        for row in range(m)
        for column in range(n)
        for term in range(p)
        for datum in (("A", row, term), ("B", term, column))
    ]


@pytest.mark.parametrize("shape", [(4, 4, 4), (3, 5, 2), (2, 3, 1), (1, 4, 3), (1, 6, 1), (6, 1, 5)])
def test_a_product_moves_its_factors_as_three_loops_do(shape):
    assert _repeat_product(*shape, 8, 8)[2] == pytest.approx(simulate(three_loops(*shape)))


@pytest.mark.parametrize("n", [8, 32, 128, 512])
def test_a_naive_product_has_the_published_distance(n):
    """n^3 sqrt(2 n) + n (n - 1)^2 sqrt(n^2 + 2 n) of Smith, Goldfarb and Ding 2022. They count first accesses
    to the first factor, and one of the two edges of the second: of the order of 1 / n."""
    published = n**3 * math.sqrt(2 * n) + n * (n - 1) ** 2 * math.sqrt(n**2 + 2 * n)
    assert _repeat_product(n, n, n, 8, 8)[2] == pytest.approx(published, rel=1 / n)


def test_every_read_of_a_factor_counts():
    trace, a, b = placed(np.ones((6, 5)), np.ones((5, 4)))
    a @ b
    found = measure_movement(trace.events, True)
    # First reads: b lies on a, and is beneath it once a was read.
    first = 30 * math.sqrt(50) + 20 * math.sqrt(50)
    assert found.by_access == pytest.approx(first + _repeat_product(6, 5, 4, 8, 8)[2])


def test_byte_movement_of_a_sum_is_the_published_one():
    """ByteDMD's example: `b + c` of four arguments of one byte costs 4; with two bytes for b and c, 9."""
    trace, _, b, c, _ = placed(byte(1), byte(2), byte(3), byte(4))
    b + c
    assert measure_movement(trace.events, True).by_byte == 4
    two = np.array([1], dtype=np.uint16)
    trace, _, b, c, _ = placed(byte(1), two, two.copy(), byte(4))
    b + c
    assert measure_movement(trace.events, True).by_byte == 9


def test_byte_movement_of_a_scalar_product_is_the_published_one():
    """ByteDMD's example: the sum of the products of [0, 1] and [2, 3], begun with 0, costs 14."""
    trace, a, b, c, d = placed(byte(0), byte(1), byte(2), byte(3))
    total = a * c + 0
    total = total + b * d
    assert total.tolist() == [3]
    del trace.events[-1]
    assert measure_movement(trace.events, True).by_byte == 14


def test_live_byte_movement_of_a_matrix_and_a_vector_is_the_published_one():
    """ByteDMD's example of live values only: a matrix of two rows (values 3 to 6) times a vector (1 and 2),
    each value freed after its last use, costs 26."""
    events = [Placed(access(value)) for value in (6, 5, 4, 3, 2, 1)]
    for first, second, result, *freed in (
        (3, 1, 7, 3),
        (4, 2, 8, 4),
        (7, 8, 9, 7, 8),
        (5, 1, 10, 5, 1),
        (6, 2, 11, 6, 2),
        (10, 11, 12, 10, 11),
    ):
        events.append(Call((access(first), access(second)), (access(result),)))
        events += [Freed(value) for value in freed]
    assert measure_movement(events, False).by_byte == 26
    assert measure_movement(events, True).by_byte > 26


def test_a_repeated_operand_is_charged_twice():
    trace, _, a = placed(byte(*[0] * 8), byte(0, 0, 0, 0))
    a + a
    assert measure_movement(trace.events, True).by_byte == 2 * (1 + 2 + 2 + 2)


def test_what_a_function_reads_again_it_sweeps():
    trace, a, b = placed(np.ones((3, 4)), np.ones(4))
    a * b
    # a once, under b; b three times: once under a, twice after itself.
    expected = 12 * math.sqrt(16) + 4 * math.sqrt(16) + 8 * math.sqrt(4)
    assert measure_movement(trace.events, True).by_access == pytest.approx(expected)


def test_sums_of_rounded_roots():
    numbers = np.arange(40)
    expected = np.cumsum(np.ceil(np.sqrt(numbers)))
    np.testing.assert_allclose(sum_roots(numbers), expected)


@pytest.mark.parametrize("keeps_freed", [True, False])
def test_distances_are_those_of_a_stack_of_single_bytes(keeps_freed):
    """Parts of buffers in any order, some of them freed, compared with a list of single bytes."""
    random = np.random.default_rng(0)
    sizes = {number: int(random.integers(2, 30)) for number in range(1, 40)}
    alive, stack, singles = [1, 2, 3], [], []
    for number in (1, 2, 3):
        stack.insert(0, number)
    tested = LruStack(keeps_freed)
    for number in alive:
        tested.place(access(number, 0, sizes[number]))
    singles = [(number, place) for number in (3, 2, 1) for place in range(sizes[number])]
    made = 3
    for _ in range(400):
        if random.random() < 0.1 and made < max(sizes):
            made += 1
            alive.append(made)
        if random.random() < 0.1 and len(alive) > 1:
            gone = alive.pop(int(random.integers(len(alive))))
            tested.free(gone)
            if not keeps_freed:
                singles = [each for each in singles if each[0] != gone]
        buffer = alive[int(random.integers(len(alive)))]
        start, stop = sorted(random.choice(sizes[buffer] + 1, 2, replace=False).tolist())
        touched = [(buffer, place) for place in range(start, stop)]
        depths = sorted(len(singles) - singles.index(each) for each in touched if each in singles)
        reuse = []
        for each in touched:
            if each in singles:
                reuse.append(len(singles) - singles.index(each))
                singles.remove(each)
            singles.append(each)
        found = tested.find(access(buffer, start, stop))
        parts, missing = tested.touch(access(buffer, start, stop))
        assert parts == found
        assert missing == len(touched) - len(reuse)
        assert (
            sorted(
                depth
                for part in parts
                for depth in range(part.depth_bytes - part.nbytes + 1, part.depth_bytes + 1)
            )
            == depths
        )
        assert sorted(part.reuse_bytes for part in parts for _ in range(part.nbytes)) == sorted(reuse)
        assert [part.reuse_elements for part in parts] == [part.reuse_bytes for part in parts]
    if not keeps_freed:
        assert tested.held_bytes == len(singles)


def test_memory_that_is_found_lies_under_all_other():
    events = [Placed(access(1, 0, 8)), Placed(access(2, 0, 4)), read(access(1, 0, 8)), read(access(2, 0, 4))]
    found = measure_movement(events, True)
    assert found.by_access == pytest.approx(8 * math.sqrt(8) + 4 * math.sqrt(12))


def test_freed_memory_lies_between_where_it_is_kept():
    events = [read(access(1, 0, 10)), read(access(2, 0, 100)), Freed(2), read(access(1, 0, 10))]
    assert measure_movement(events, True).by_access == pytest.approx(10 * math.sqrt(110))
    assert measure_movement(events, False).by_access == pytest.approx(10 * math.sqrt(10))
