"""The RO-Crate of a campaign: its files, the steps that made them, with what software and at what energy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from rocrate.model.computationalworkflow import ComputationalWorkflow
from rocrate.model.computerlanguage import snakemake
from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate
from rocrate.utils import as_list

from joules.archive.crate_steps import Step, list_steps
from joules.archive.metadata import DATA_LICENCE, describe_campaign
from joules.archive.verification import list_files
from joules.study.campaign import Campaign
from joules.study.citation import author_name, citation
from joules.study.files import COMPRESSED

WORKFLOW = "Snakefile"
_TERMS = "https://w3id.org/ro/terms/workflow-run#"
_PROCESS = ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5")
_WORKFLOW_RUN = (
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
_BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
_COMPLETED = "http://schema.org/CompletedActionStatus"
_FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".gz": "application/gzip",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}


def describe_crate(campaign: Campaign, files: Mapping[str, Path] | None = None) -> dict[str, Any]:
    """Describes a campaign as an RO-Crate 1.1 (https://w3id.org/ro/crate/1.1).

    It conforms to Process Run Crate 0.5. With the workflow among its files it conforms to Workflow Run Crate
    0.5 too, whose main entity has to be a file of the crate. No address is stated but that of `CITATION.cff`.

    Args:
        campaign: A campaign with tables and a manifest.
        files: Files of the crate by their path in it; the campaign's results by default.

    Returns:
        The content of `ro-crate-metadata.json`: the same for the same files.
    """
    if files is None:
        inside = (path for path in list_files(campaign) if path.is_relative_to(campaign.results))
        files = {path.relative_to(campaign.results).as_posix(): path for path in inside}
    return _Description(campaign, files).describe()


class _Description:
    """A crate while it is written: its entities by what they are about."""

    def __init__(self, campaign: Campaign, files: Mapping[str, Path]) -> None:
        self.campaign, self.cited = campaign, citation()
        self.crate = ROCrate(version="1.1")
        self.crate.metadata.extra_terms = {name: f"{_TERMS}{name}" for name in ("resourceUsage", "sha256")}
        self.authors = [
            self.add(
                f"#author-{place}", "Organization" if "name" in author else "Person", name=author_name(author)
            )
            for place, author in enumerate(self.cited["authors"])
        ]
        self.entities = {path.absolute(): self.add_file(name, path) for name, path in files.items()}

    def add(self, identifier: str, kind: str, /, **properties: Any) -> ContextEntity:
        return self.crate.get(identifier) or self.crate.add(
            ContextEntity(self.crate, identifier, {"@type": kind, **properties})
        )

    def add_file(self, name: str, path: Path) -> Any:
        properties = {
            "name": name,
            "encodingFormat": _FORMATS.get(path.suffix, "text/plain"),
            "contentSize": str(path.stat().st_size),
            "sha256": _hash_stored(path),
        }
        if name == WORKFLOW:
            workflow = ComputationalWorkflow(self.crate, path, name, properties=properties)
            return self.crate.add(workflow)
        return self.crate.add_file(path, name, properties=properties | {"description": _describe_file(name)})

    def refer(self, paths: Iterable[Path]) -> list[Any]:
        """Entities of files: of those outside the crate their name and hash."""
        return [self.entities.get(path.absolute()) or self._outside(path) for path in paths]

    def _outside(self, path: Path) -> ContextEntity:
        name = path.absolute().relative_to(self.campaign.root.absolute()).as_posix()
        return self.add(f"#{name}", "CreativeWork", name=name, sha256=_hash_stored(path))

    def add_not_kept(self, name: str) -> ContextEntity:
        return self.add(
            f"#{name}-as-measured",
            "CreativeWork",
            name=f"{name} as measured",
            description="Has changed since; each record holds the parameters and the fingerprint of its run",
        )

    def describe(self) -> dict[str, Any]:
        described, profiles = describe_campaign(self.campaign), [_PROCESS]
        root = self.crate.root_dataset
        root["name"], root["description"], root["version"] = (
            described[name] for name in ("title", "description", "version")
        )
        root["datePublished"] = described["created"][:10]
        root["license"] = self.add(
            DATA_LICENCE["path"],
            "CreativeWork",
            name=DATA_LICENCE["title"],
            description=DATA_LICENCE["title"],
            identifier=DATA_LICENCE["name"],
        )
        root["author"] = _unwrap(self.authors)
        actions = [action for step in list_steps(self.campaign) if (action := self.add_step(step))]
        if (workflow := self.crate.get(WORKFLOW)) is not None:
            profiles += _WORKFLOW_RUN
            actions.append(self.add_workflow_run(workflow, actions))
            self.crate.metadata["conformsTo"] = [
                {"@id": "https://w3id.org/ro/crate/1.1"},
                {"@id": _WORKFLOW_RUN[1][0]},
            ]
        root["mentions"] = actions
        root["conformsTo"] = _unwrap(
            [
                self.add(address, "CreativeWork", name=name, version=version)
                for address, name, version in profiles
            ]
        )
        metadata: dict[str, Any] = self.crate.metadata.generate()
        return metadata

    def add_step(self, step: Step) -> ContextEntity | None:
        """The action of a step; None where nothing that it made is in the crate."""
        if not any(path.absolute() in self.entities for path in step.made):
            return None
        action = self.add(
            f"#{step.name}",
            "CreateAction",
            name=step.title,
            description=step.description,
            actionStatus=_COMPLETED,
            **step.times,
        )
        software = self.add(f"#{step.software.key}", "SoftwareApplication", **step.software.properties)
        if "repository-code" in self.cited:
            software["url"] = self.cited["repository-code"]
        if step.software.packages:
            software["softwareRequirements"] = [
                self.add(f"#package-{name}", "SoftwareApplication", name=name, softwareVersion=version)
                for name, version in step.software.packages.items()
            ]
        action["instrument"], action["agent"] = software, self.authors[0]
        read = [*self.refer(step.read), *(self.add_not_kept(name) for name in step.not_kept)]
        action["object"], action["result"] = _unwrap(read), _unwrap(self.refer(step.made))
        if step.usage:
            action["resourceUsage"] = [
                self.add(f"#{step.name}-{usage['propertyID'][1:]}", "PropertyValue", **usage)
                for usage in step.usage
            ]
        return action

    def add_workflow_run(self, workflow: Any, actions: Iterable[ContextEntity]) -> ContextEntity:
        """The action of all steps together, whose instrument is the workflow."""
        workflow["name"], workflow["version"] = self.cited["title"], str(self.cited["version"])
        workflow["programmingLanguage"] = self.crate.add(snakemake(self.crate))
        workflow["conformsTo"] = {"@id": _BIOSCHEMAS}
        self.crate.root_dataset["mainEntity"] = workflow
        read, made = (
            {entity.id: entity for action in actions for entity in as_list(action[key])}
            for key in ("object", "result")
        )
        action = self.add(
            "#workflow-run",
            "CreateAction",
            name=f"Workflow of campaign {self.campaign.name}",
            description="All steps: the records are measured once, the rest is made from them",
            actionStatus=_COMPLETED,
        )
        action["instrument"], action["agent"] = workflow, self.authors[0]
        action["object"] = [entity for name, entity in read.items() if name not in made]
        action["result"] = list(made.values())
        return action


def _unwrap(entities: Sequence[Any]) -> Any:
    """A list, or its only member: RO-Crate 1.1 has no lists of one."""
    return entities[0] if len(entities) == 1 else entities


def _hash_stored(path: Path) -> str:
    """SHA-256 of a file as it is stored, compressed or not, which is what a crate's reader has."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _describe_file(name: str) -> str:
    """What a file is, by its path in the crate, which is the same wherever the clone is."""
    path = PurePosixPath(name.removesuffix(COMPRESSED))
    folder = path.parent.name
    if path.suffix == ".jsonl":
        return f"Records of {folder}, one run or idle measurement per line, each with its SHA-256"
    if path.name == "claims.csv":
        return "Verdicts on the claims of the paper"
    if path.suffix == ".csv" and "tables" in path.parts:
        return f"Table {path.stem} of {folder}"
    if path.name == "manifest.json" and "tables" in path.parts:
        return f"Hashes of the tables of {folder} and of the records that they are made from"
    return f"{path.name} of {folder}" if folder else path.name
