"""Commands that prove, release and cite a campaign."""

from __future__ import annotations

import argparse
from pathlib import Path

from joules.cli.command import (
    Command,
    Options,
    declare_all,
    declare_campaign,
    declare_config,
    declare_experiments,
    load_config,
    select_campaign,
    select_experiments,
)
from joules.errors import UserError


def _declare_trace(parser: argparse.ArgumentParser) -> None:
    declare_campaign(parser)
    parser.add_argument(
        "target",
        nargs="?",
        metavar="TARGET",
        help="figures/<campaign>/<figure>.pdf, the key or printed text of a value, or "
        "<experiment>/<table>.csv:<row>:<column>",
    )
    parser.add_argument("--verify", action="store_true", help="first verify every file of the campaign")


def _trace(options: Options) -> None:
    from joules.archive.lineage import trace
    from joules.archive.verification import verify_campaign
    from joules.study.manifest import newest_whole_release

    campaign, target = select_campaign(options), options.target
    if target is None and not options.verify:
        raise UserError("nothing to trace: name a figure, a value or a table cell, or use --verify")
    if campaign.is_local and not campaign.runs.is_dir():
        released = newest_whole_release()
        if released is None:
            raise UserError(
                f"campaign '{campaign.name}' has no records: run the workflow first, or use --campaign"
            )
        print(f"campaign '{campaign.name}' was not measured here: this is {released.name}", flush=True)
        local = f"figures/{campaign.name}/"
        campaign, target = released, target and target.replace(local, f"figures/{released.name}/", 1)
    if options.verify:
        for line in verify_campaign(campaign):
            print(line, flush=True)
    if target is not None:
        for line in trace(target, campaign):
            print(line)


def _reproduction(options: Options) -> None:
    from joules.paper.comparison import write_report

    print(write_report(select_campaign(options), load_config(options)))


def _manifest(options: Options) -> None:
    from joules.archive.verification import write_manifest

    print(write_manifest(select_campaign(options), select_experiments(options), load_config(options)))


def _release(options: Options) -> None:
    from joules.archive.release import release

    for path in release(select_campaign(options)):
        print(path)


def _declare_cite(parser: argparse.ArgumentParser) -> None:
    declare_campaign(parser)
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="one of its files, for example grokking/arms.csv"
    )


def _cite(options: Options) -> None:
    from joules.archive.bibtex import cite

    print(cite(select_campaign(options), options.file))


def _declare_reanalyse(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "campaigns",
        nargs="*",
        metavar="CAMPAIGN",
        help="folders of results/ (default: all retired campaigns)",
    )


def _reanalyse(options: Options) -> None:
    from joules.archive.reanalysis import list_retired, reanalyse_campaign
    from joules.study.campaign import Campaign

    for campaign in map(Campaign, options.campaigns) if options.campaigns else list_retired():
        print(reanalyse_campaign(campaign), flush=True)


def _retire(options: Options) -> None:
    from joules.archive.retirement import retire_campaign

    print(retire_campaign(select_campaign(options)))


def _declare_contribute(parser: argparse.ArgumentParser) -> None:
    declare_campaign(parser)
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write the bundle (default: list it only)"
    )


def _contribute(options: Options) -> None:
    from joules.archive.contribution import (
        Redaction,
        collect_records,
        describe_contents,
        local_names,
        write_bundle,
    )

    redaction = Redaction(local_names())
    records = collect_records(select_campaign(options), redaction)
    for line in [*describe_contents(records), *redaction.describe()]:
        print(line)
    if options.output is None:
        print("nothing was written: add --output FILE to write the bundle")
        return
    bundle = write_bundle(options.output, records)
    print(f"{options.output} has SHA-256 {bundle.sha256}: state it where you hand the file in")


def _declare_accept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="what 'joules contribute' wrote")
    parser.add_argument("--name", required=True, help="name of the campaign: <machine>-<scale>-<date>")
    parser.add_argument(
        "--sha256", metavar="HASH", help="hash that the author of the bundle states; another hash is refused"
    )


def _accept(options: Options) -> None:
    from joules.archive.acceptance import accept_bundle

    campaign = accept_bundle(options.bundle, options.name, options.sha256)
    print(campaign.runs)
    print(f"build it: snakemake --cores all --config campaign={campaign.name} -- all release")


COMMANDS = {
    "trace": Command(
        "trace a figure, value or table cell back to its records; --verify re-checks everything",
        _trace,
        _declare_trace,
        is_exact=True,
    ),
    "reproduction": Command(
        "compare a campaign with the released campaigns, on one page",
        _reproduction,
        declare_all(declare_campaign, declare_config),
        is_exact=True,
    ),
    "manifest": Command(
        "write the hashes of all files of a campaign",
        _manifest,
        declare_all(declare_experiments, declare_campaign, declare_config),
        is_exact=True,
    ),
    "release": Command(
        "make a data package, an RO-Crate and an archive of a campaign",
        _release,
        declare_campaign,
        is_exact=True,
    ),
    "contribute": Command(
        "list or write a campaign's records for others, without private names",
        _contribute,
        _declare_contribute,
    ),
    "accept": Command("check a contributed campaign and add it to results/", _accept, _declare_accept),
    "cite": Command("print BibTeX of a campaign or of one of its files", _cite, _declare_cite),
    "retire": Command(
        "reduce a released campaign to its records, claims and a page",
        _retire,
        declare_campaign,
    ),
    "reanalyse": Command(
        "evaluate the current claims on the records of retired campaigns",
        _reanalyse,
        _declare_reanalyse,
        is_exact=True,
    ),
}
