for name in EXPERIMENTS:

    rule:
        name:
            f"tabulate_{name}"
        input:
            lambda wildcards, name=name: evidence_files(wildcards.campaign, name),
        output:
            update(table_files("{campaign}", name)),
        log:
            f"results/{{campaign}}/logs/tabulate/{name}.log",
        # Verdicts need all tables; figures are drawn meanwhile.
        priority: 1
        localrule: True
        params:
            experiment=name,
            options=option_arguments(CONFIG, *DESIGNS[name].table_options),
            code=[
                experiment_code(name, "tables", "tabulate"),
                code_fingerprint(
                    "joules.analysis.sensitivity",
                    ["with_unflagged", "with_power_models"],
                ),
            ],
            releases=lambda wildcards, name=name: release_verdicts(
                wildcards.campaign, name
            ),
            comparisons=[family.model_dump() for family in DESIGNS[name].comparisons],
        shell:
            "python -m joules tabulate {params.experiment}"
            " --campaign {wildcards.campaign} {params.options} 2> >(tee {log} >&2)"


rule evaluate:
    input:
        manifests,
        [f"experiments/{name}/claims.yaml" for name in EXPERIMENTS],
    output:
        update("results/{campaign}/claims.csv"),
        update("results/{campaign}/evaluated.json"),
    log:
        "results/{campaign}/logs/evaluate.log",
    priority: 1
    params:
        experiments=EXPERIMENTS,
        code=[
            code_fingerprint("joules.paper.claims", ["evaluate_tables"]),
            code_fingerprint("joules.paper.replication", ["decide_over_campaigns"]),
        ],
    shell:
        "python -m joules evaluate --campaign {wildcards.campaign} {params.experiments} 2> >(tee {log} >&2)"
