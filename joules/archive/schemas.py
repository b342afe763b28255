"""The JSON Schemas of `workflow/schemas/`, generated from the models that validate the data."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from joules.analysis.columns import Columns
from joules.bench.record import Record
from joules.study.claims import Claims
from joules.study.config import Config
from joules.study.design import Design
from joules.study.repository import repository_root

_MODELS: dict[str, type[BaseModel]] = {
    "config": Config,
    "design": Design,
    "claims": Claims,
    "columns": Columns,
}


def make_schemas() -> dict[Path, str]:
    """Text of each schema file by path."""
    schemas = {name: model.model_json_schema() for name, model in _MODELS.items()}
    schemas["record"] = TypeAdapter(Record).json_schema()
    folder = repository_root() / "workflow" / "schemas"
    return {
        folder / f"{name}.schema.json": json.dumps(schema, indent=2) + "\n"
        for name, schema in schemas.items()
    }
