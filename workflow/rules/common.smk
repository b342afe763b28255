import os
import re
import shlex
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")


report: "../report/workflow.rst"


configfile: "workflow/config.yaml"


# Jobs run `python -m joules` in the folder of this workflow and with its interpreter, whether or not an
# environment is activated.
ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT))


# Snakemake formats shell commands, so braces in a path are doubled.
def _quote(path):
    return shlex.quote(str(path)).replace("{", "{{").replace("}", "}}")


_PROGRAMS = _quote(Path(sys.executable).parent)
_PREFIX = f'export PATH={_PROGRAMS}:"$PATH"; unset PYTHONSAFEPATH; '
# Libraries keep caches and settings there.
if not os.access(os.path.expanduser("~"), os.W_OK | os.X_OK):
    _PREFIX += f"export HOME={_quote(ROOT / '.snakemake' / 'home')}; "
    _PREFIX += 'mkdir -p "$HOME"; '
shell.prefix(_PREFIX)

from joules.archive.summary import describe_failures, summarize_campaign
from joules.bench.progress import summarize_times
from joules.cli.forks import start_process
from joules.errors import UserError
from joules.paper.letters import check_citation
from joules.paper.outputs import check_edits
from joules.study.campaign import (
    Campaign,
    compared_releases,
    earlier_releases,
    figures_of,
    tables_of,
)
from joules.study.config import (
    LOCAL,
    arm_options,
    check_config,
    option_arguments,
    paper_order,
    read_options,
)
from joules.study.design import check_complete, check_parameters, load_design
from joules.study.documents import list_sources
from joules.study.fingerprint import code_fingerprint, file_sha256, run_fingerprint
from joules.study.manifest import check_listed_records
from joules.study.timestamps import order_file_times

STARTED_S = time.time()

# On a cluster, Snakemake writes the path of this interpreter unquoted into the command of each job.
if workflow.resource_settings.cores is None and not re.fullmatch(
    r"[\w/.+@:=-]+", sys.executable
):
    raise WorkflowError(
        f"the path of the environment has a blank or a special character ({sys.executable}), with which every job "
        "on a cluster would fail: create the environment elsewhere and activate it, or move the clone"
    )

try:
    # Snakemake's own parser accepts a key that occurs twice.
    read_options()
    CONFIG = check_config(config)
    CAMPAIGN = Campaign(CONFIG.campaign)
    EXPERIMENTS = CAMPAIGN.experiments(CONFIG)
    DESIGNS = {name: load_design(name) for name in EXPERIMENTS}
    check_citation()
    if not CAMPAIGN.is_local and CONFIG.experiments != paper_order():
        raise UserError(
            f"'{CONFIG.campaign}' is a released campaign and is rebuilt whole: leave 'experiments' out"
        )
    for name in EXPERIMENTS:
        check_complete(name)
        if CAMPAIGN.is_local and DESIGNS[name].has_runs:
            check_parameters(
                name, DESIGNS[name].runs(CONFIG.scale, arm_options(CONFIG))
            )
    if not CAMPAIGN.is_local:
        for name in EXPERIMENTS:
            CAMPAIGN.block_files(name, CONFIG)
        check_listed_records(CAMPAIGN)
        order_file_times(CAMPAIGN)
    # Jobs are started while other steps write.
    if workflow.is_main_process:
        check_edits(CAMPAIGN, EXPERIMENTS, sys.argv)
except UserError as fault:
    raise WorkflowError(str(fault)) from None

# Computed once per experiment, not per block.
RUN_FINGERPRINTS = {
    name: {
        arm: run_fingerprint(name, arm, parameters)
        for arm, parameters in DESIGNS[name]
        .runs(CONFIG.scale, arm_options(CONFIG))
        .items()
    }
    for name in EXPERIMENTS
    if CAMPAIGN.is_local and DESIGNS[name].has_runs
}
FIGURES = [figure for name in EXPERIMENTS for figure in figures_of(name)]


wildcard_constraints:
    campaign=r"[a-z0-9][a-z0-9_.-]*",
    experiment="|".join(EXPERIMENTS),
    block=r"\d+",


def every_core(wildcards):
    """All cores that Snakemake may use, so that nothing of this workflow runs during a measurement."""
    cores = workflow.resource_settings.cores
    if cores is None:
        raise WorkflowError(
            "a block needs a node of its own: give the number of logical processors of a node, "
            "for example --set-threads measure=64"
        )
    return cores


# Outputs are marked `update`: they are replaced when a step succeeds and kept when it fails, so that a build that
# stops early loses nothing.


def table_files(campaign, experiment):
    """The tables of an experiment and their manifest."""
    names = ["manifest.json", *(f"{table}.csv" for table in tables_of(experiment))]
    return [f"{Campaign(campaign).tables(experiment)}/{name}" for name in names]


def evidence_files(campaign, experiment):
    """All files that the tables of an experiment are made from."""
    others = Campaign(campaign).tables_read(experiment, CONFIG)
    return [
        *Campaign(campaign).evidence_files(experiment, CONFIG),
        *(path for name in others for path in table_files(campaign, name)),
        *(f"experiments/{name}/claims.yaml" for name in others),
    ]


def manifests(wildcards):
    """Manifests of the tables of every experiment."""
    return [
        Campaign(wildcards.campaign).tables(name) / "manifest.json"
        for name in EXPERIMENTS
    ]


def release_hashes(campaign):
    """Hashes of the released campaigns that a campaign is compared with."""
    return {
        other.name: file_sha256(other.manifest)
        for other in compared_releases(Campaign(campaign))
    }


def release_verdicts(campaign, experiment):
    """Hashes of verdicts of released campaigns that the tables of an experiment are made from."""
    if DESIGNS[experiment].evidence != "campaign":
        return {}
    return {
        other.name: file_sha256(other.latest_claims)
        for other in earlier_releases(Campaign(campaign))
    }


def experiment_code(experiment, part, *names):
    """Fingerprint of functions in a file of an experiment ('tables', 'report' or 'figures').

    As a parameter of a rule it makes Snakemake run the rule again when the code changes, but not when a comment does.
    """
    return code_fingerprint(f"experiments.{experiment}.{part}", names)
