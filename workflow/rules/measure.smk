# The only rule that measures, and only the reader's own campaign: a released one has no rule that could.


def every_core(wildcards):
    """All that Snakemake was given: nothing of this workflow may run beside a measurement."""
    cores = workflow.resource_settings.cores
    if cores is None:
        raise WorkflowError(
            "a block has a node to itself: say how many logical processors a node has, "
            "for example --set-threads measure=64"
        )
    return cores


rule measure:
    output:
        str(Campaign(LOCAL).block_file("{experiment}", "{block}")),
    log:
        f"results/{LOCAL}/logs/measure/{{experiment}}-{{block}}.log",
    # More than all steps that could run in its place: of a machine's cores they would leave some without work, and
    # the next block would wait for them.
    priority: 100
    threads: every_core
    # Of a cluster's node, of which nobody else may have a part. Vision runs that take turns hold 9 GB together at
    # scale standard; runtime is minutes a block.
    resources:
        slurm_extra="--exclusive",
        mem_mb=16000,
        runtime=360,
    params:
        options=option_arguments(CONFIG, "scale", "first_seed", "text", "floor_power_w", "without_gpu"),
        fingerprints=lambda wildcards: RUN_FINGERPRINTS.get(wildcards.experiment),
    shell:
        "python -m joules measure {wildcards.experiment} --block {wildcards.block}"
        " {params.options} 2> >(tee {log} >&2)"
