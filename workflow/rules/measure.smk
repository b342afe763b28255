# The only rule that measures. Its output is in the local campaign: a released one cannot be measured over.
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
