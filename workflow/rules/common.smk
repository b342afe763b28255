import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")


report: "../report/workflow.rst"


configfile: "workflow/config.yaml"


# Jobs run `python -m experiments` with the interpreter and from the folder of this workflow, activated
# environment or not.
ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT))
shell.prefix(f'export PATH="{Path(sys.executable).parent}:$PATH"; ')

from experiments.campaigns import SELF, Campaign, others
from experiments.config import LOCAL, check_config, load_design, option_arguments
from experiments.errors import UserError
from experiments.provenance import code_fingerprint, file_sha256, run_fingerprint
from experiments.settle import settle

try:
    CONFIG = check_config(config)
    CAMPAIGN = Campaign(CONFIG.campaign)
    EXPERIMENTS = (
        CONFIG.experiments if CONFIG.campaign == LOCAL else CAMPAIGN.experiments()
    )
    DESIGNS = {name: load_design(name) for name in EXPERIMENTS}
    if CONFIG.campaign != LOCAL:
        settle(CAMPAIGN)
except UserError as fault:
    raise WorkflowError(str(fault)) from None

FIGURES = {figure: name for name in EXPERIMENTS for figure in DESIGNS[name].figures}


wildcard_constraints:
    campaign=r"[a-z0-9][a-z0-9_.-]*",
    experiment="|".join(EXPERIMENTS),
    figure="|".join(FIGURES),
    block=r"\d+",


def block_files(campaign, experiment):
    """Records that the tables of an experiment are made from."""
    return Campaign(campaign).records(experiment, CONFIG)


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
        other.name: file_sha256(other.manifest) for other in others(Campaign(campaign))
    }


def analysis_code(experiment, *names):
    """Fingerprint of functions in an experiment's analysis: a parameter, so that a changed table or
    value is made again and a changed comment is not."""
    return code_fingerprint(f"experiments.{experiment}.analysis", names)
