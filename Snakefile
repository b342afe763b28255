# What to build. How is in workflow/rules; where and what a campaign is, in joules/study/campaign.py.

from pathlib import Path

from snakemake.exceptions import WorkflowError

if not Path("workflow/config.yaml").is_file():
    raise WorkflowError(
        f"{Path.cwd()} is not the clone of this workflow: run 'cd {workflow.basedir}' first, or add "
        f"'--directory {workflow.basedir}'"
    )


include: "workflow/rules/common.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/release.smk"


# Seconds each: on a cluster only measuring takes a node.
localrules:
    all,
    evaluate,
    export,
    typeset,
    manifest,
    explorer,
    package,
    release,


rule all:
    default_target: True
    input:
        CAMPAIGN.build / "paper.pdf",
        CAMPAIGN.manifest,
        CAMPAIGN.explorer,


onstart:
    from joules.bench.missing import describe_missing_runs

    missing = describe_missing_runs(Campaign(LOCAL), CONFIG, RUN_FINGERPRINTS)
    if missing:
        print(missing, file=sys.stderr, flush=True)
    start_process()


# Errors of steps are far above what Snakemake prints of the commands that failed.
onerror:
    failures = describe_failures(CAMPAIGN.results / "logs", STARTED_S)
    if failures:
        print(failures, file=sys.stderr, flush=True)


onsuccess:
    spent = summarize_times(Campaign(LOCAL).times_file, STARTED_S, time.time())
    print(
        *filter(None, [summarize_campaign(CAMPAIGN), spent]),
        sep="\n",
        file=sys.stderr,
        flush=True,
    )
