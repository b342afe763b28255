# The only rule that measures. Its output is in the local campaign: a released one cannot be measured over.


def every_core(wildcards):
    """All cores that Snakemake may use, so that nothing of this workflow runs during a measurement."""
    cores = workflow.resource_settings.cores
    if cores is None:
        raise WorkflowError(
            "a block needs a node of its own: give the number of logical processors of a node, "
            "for example --set-threads measure=64"
        )
    return cores


rule measure:
    output:
        str(Campaign(LOCAL).block_file("{experiment}", "{block}")),
    log:
        f"results/{LOCAL}/logs/measure/{{experiment}}-{{block}}.log",
    # Higher than all other steps: they would leave some cores idle while the next block waits for them.
    priority: 100
    threads: every_core
    # Of a cluster's node, which must not be shared. Paused vision runs together hold 9 GB at scale standard. Runtime
    # is in minutes per block.
    resources:
        slurm_extra="--exclusive",
        mem_mb=16000,
        runtime=360,
    params:
        options=option_arguments(
            CONFIG, "scale", "first_seed", "text", "floor_power_w", "without_gpu"
        ),
        fingerprints=lambda wildcards: RUN_FINGERPRINTS.get(wildcards.experiment),
    shell:
        "python -m joules measure {wildcards.experiment} --block {wildcards.block}"
        " {params.options} 2> >(tee {log} >&2)"
