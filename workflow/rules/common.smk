import shlex
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")


report: "../report/workflow.rst"


configfile: "workflow/config.yaml"


# Jobs run `python -m joules` with the interpreter and from the folder of this workflow, activated
# environment or not.
ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT))
# Snakemake formats what shells are told: braces of a path are doubled.
_PROGRAMS = (
    shlex.quote(str(Path(sys.executable).parent)).replace("{", "{{").replace("}", "}}")
)
shell.prefix(f'export PATH={_PROGRAMS}:"$PATH"; ')

from joules.archive.closing import closing
from joules.bench.progress import summarize_times
from joules.errors import UserError
from joules.study.campaign import (
    POWER_MODELS,
    SELF,
    Campaign,
    charts_module,
    figures_module,
    figures_of,
    other_releases,
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
from joules.study.design import check_complete, load_design
from joules.study.fingerprint import code_fingerprint, file_sha256, run_fingerprint
from joules.study.timestamps import order_file_times

STARTED_S = time.time()

try:
    # Snakemake's own reading of the file lets a key stand twice.
    read_options()
    CONFIG = check_config(config)
    CAMPAIGN = Campaign(CONFIG.campaign)
    EXPERIMENTS = (
        CONFIG.experiments if CONFIG.campaign == LOCAL else CAMPAIGN.experiments()
    )
    DESIGNS = {name: load_design(name) for name in EXPERIMENTS}
    if CONFIG.campaign != LOCAL and CONFIG.experiments != paper_order():
        raise UserError(
            f"'{CONFIG.campaign}' is a released campaign and is rebuilt whole: leave 'experiments' out"
        )
    for name in EXPERIMENTS:
        check_complete(name)
    if CONFIG.campaign != LOCAL:
        for name in EXPERIMENTS:
            CAMPAIGN.block_files(name, CONFIG)
        order_file_times(CAMPAIGN)
except UserError as fault:
    raise WorkflowError(str(fault)) from None

# Once an experiment, however many blocks it has.
RUN_FINGERPRINTS = {
    name: {
        arm: run_fingerprint(name, arm, parameters)
        for arm, parameters in DESIGNS[name]
        .runs(CONFIG.scale, arm_options(CONFIG))
        .items()
    }
    for name in (EXPERIMENTS if CONFIG.campaign == LOCAL else [])
}
FIGURES = [figure for name in [*EXPERIMENTS, SELF] for figure in figures_of(name)]


wildcard_constraints:
    campaign=r"[a-z0-9][a-z0-9_.-]*",
    experiment="|".join(EXPERIMENTS),
    block=r"\d+",


# Outputs are marked `update`: they are replaced when a step succeeds and kept when it is refused, so that a build
# which stops on its way loses nothing that was there.


def record_files(campaign, experiment):
    """Records that the tables of an experiment are made from."""
    return Campaign(campaign).records(experiment, CONFIG)


def title_of(experiment):
    """What a report calls an experiment, or the campaign itself."""
    return "Power" if experiment == SELF else DESIGNS[experiment].title


def manifests(wildcards):
    """Manifests of the tables of every experiment and of the campaign itself."""
    return [
        Campaign(wildcards.campaign).tables(name) / "manifest.json"
        for name in [*EXPERIMENTS, SELF]
    ]


def beside(campaign):
    """Hashes of the released campaigns that the reader's own is set beside."""
    if campaign != LOCAL:
        return {}
    return {
        other.name: file_sha256(other.manifest)
        for other in other_releases(Campaign(campaign))
    }


def question_code(experiment, part, *names):
    """Fingerprint of functions in a part of an experiment ('tables' or 'report'): a parameter, so that a
    changed table or value is made again and a changed comment is not."""
    return code_fingerprint(f"experiments.{experiment}.{part}", names)
