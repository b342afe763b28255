"""The operators of networks, listed once: PyTorch lists them, and its import takes longer than most steps.

`python -m joules.analysis.roofline.networks` lists the networks of all designs again, with those that the
file has. Run it when a test says that other code or another version made the lists: they are then not used.
"""

from __future__ import annotations

import functools
import gzip
import importlib.metadata
import itertools
import json
from pathlib import Path
from typing import get_args

from joules.analysis.roofline.predictions import Operator
from joules.study.design import Scale, experiment_names, load_design
from joules.study.fingerprint import code_fingerprint

_FILE = Path(__file__).parent / "networks.json.gz"
_LISTING = "joules.analysis.roofline.operators"


@functools.cache
def operators_of_network(model: str, image_size: int, batch_size: int) -> tuple[Operator, ...]:
    """The operators of a forward pass of a torchvision network (see `operators_of_model`).

    Args:
        model: name of the network in torchvision.
        image_size: height and width of an image in pixels.
        batch_size: images of a pass.
    """
    listed = _read_lists().get(_key(model, image_size, batch_size))
    if listed is not None:
        return tuple(itertools.starmap(Operator, listed))
    from joules.analysis.roofline.operators import operators_of_model

    return operators_of_model(model, image_size, batch_size)


def describe_listing() -> dict[str, str]:
    """What lists of operators depend on: the code that lists, and the versions of its libraries."""
    versions = {name: importlib.metadata.version(name).partition("+")[0] for name in ("torch", "torchvision")}
    return {"code": code_fingerprint(_LISTING, ["operators_of_model"]), **versions}


@functools.cache
def _read_lists() -> dict[str, list[list[float]]]:
    """The lists of the file; none where other code or other versions of the libraries made it."""
    body = json.loads(gzip.decompress(_FILE.read_bytes()))
    lists: dict[str, list[list[float]]] = body["operators"] if body["listing"] == describe_listing() else {}
    return lists


def _key(model: str, image_size: int, batch_size: int) -> str:
    return f"{model} {image_size} {batch_size}"


def _main() -> None:
    from joules.analysis.roofline.operators import operators_of_model

    keys = set(json.loads(gzip.decompress(_FILE.read_bytes()))["operators"]) if _FILE.exists() else set()
    for design in map(load_design, experiment_names()):
        for scale in set(get_args(Scale)) & set(design.scales):
            keys |= {
                _key(str(arm["model"]), int(arm["image_size"]), int(arm["batch_size"]))
                for arm in design.runs(scale).values()
                if {"model", "image_size", "batch_size"} <= set(arm)
            }
    lists = {
        key: [[one.flops, one.bytes_moved] for one in operators_of_model(model, int(size), int(batch))]
        for key in sorted(keys)
        for model, size, batch in [key.split()]
    }
    body = json.dumps({"listing": describe_listing(), "operators": lists}, indent=0)
    _FILE.write_bytes(gzip.compress(body.encode(), mtime=0))


if __name__ == "__main__":
    _main()
