"""Control groups as files, in both versions of the interface."""

import math
import os

import psutil
import pytest

from joules.instrument.host import limits
from joules.instrument.host.limits import usable_cores

VERSION_2 = "30 23 0:26 / {tree} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
VERSION_1 = "32 31 0:29 {root} {tree}/{name} rw,relatime - cgroup cgroup rw,{name}"


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Sets memberships and mounts of this process; returns the folder that mounts name as {tree}."""
    tree = tmp_path / "tree"
    tree.mkdir()
    monkeypatch.setattr(limits, "_PROC", tmp_path)

    def place(memberships, *mounts):
        (tmp_path / "cgroup").write_text("\n".join(memberships) + "\n")
        lines = [
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw",
            *(mount.replace("{tree}", str(tree)) for mount in mounts),
        ]
        (tmp_path / "mountinfo").write_text("\n".join(lines) + "\n")
        return tree

    return place


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".", 1)).write_text(text + "\n")


def machine_share():
    memory = psutil.virtual_memory()
    return memory.available / memory.total


def test_without_limits_the_machine_is_all_there_is(groups):
    tree = groups(["0::/user.slice/session"], VERSION_2)
    write(tree / "user.slice/session", cpu__max="max 100000", memory__max="max", memory__current="1000")
    assert limits.processor_quota_cores() == math.inf
    assert limits.free_memory_share() == pytest.approx(machine_share(), abs=0.1)
    assert usable_cores() == len(os.sched_getaffinity(0))


def test_the_tightest_of_the_groups_around_counts(groups):
    tree = groups(["0::/job/step"], VERSION_2)
    write(tree / "job", cpu__max="150000 100000", memory__max="1000", memory__current="980")
    write(tree / "job/step", cpu__max="400000 100000", memory__max="max", memory__current="980")
    assert limits.processor_quota_cores() == 1.5
    assert limits.free_memory_share() == pytest.approx(0.02)
    assert usable_cores() == 1


def test_pages_that_are_given_up_first_are_free(groups):
    tree = groups(["0::/"], VERSION_2)
    write(tree, memory__max="1000", memory__current="990", memory__stat="anon 90\ninactive_file 900\nshmem 0")
    assert limits.free_memory_share() == pytest.approx(min(0.91, machine_share()), abs=0.1)


def test_the_first_version_has_a_tree_for_each_controller(groups):
    tree = groups(
        ["4:memory:/docker/a1", "2:cpu,cpuacct:/docker/a1", "0::/"],
        VERSION_2,
        VERSION_1.replace("{name}", "memory").replace("{root}", "/docker/a1"),
        VERSION_1.replace("{name}", "cpu").replace("{root}", "/"),
    )
    write(tree / "memory", memory__limit_in_bytes="1000", memory__usage_in_bytes="900")
    write(tree / "cpu/docker/a1", cpu__cfs_quota_us="250000", cpu__cfs_period_us="100000")
    write(tree / "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert limits.processor_quota_cores() == 2.5
    assert limits.free_memory_share() == pytest.approx(0.1)


def test_a_system_without_control_groups_has_no_limits(monkeypatch, tmp_path):
    monkeypatch.setattr(limits, "_PROC", tmp_path)
    assert limits.processor_quota_cores() == math.inf
