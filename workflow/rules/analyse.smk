for name in EXPERIMENTS:

    rule:
        name:
            f"tabulate_{name}"
        input:
            lambda wildcards, name=name: record_files(wildcards.campaign, name),
        output:
            update(
                expand(
                    "results/{{campaign}}/tables/{experiment}/{table}",
                    experiment=name,
                    table=[
                        "manifest.json",
                        *(f"{table}.csv" for table in tables_of(name)),
                    ],
                )
            ),
        log:
            f"results/{{campaign}}/logs/tabulate/{name}.log",
        # Verdicts wait for all tables, and figures are drawn beside them.
        priority: 1
        localrule: True
        params:
            experiment=name,
            # Whose records are there besides, where it uses those of others.
            options=option_arguments(
                CONFIG, "scale", *(["experiments"] if DESIGNS[name].uses else [])
            ),
            code=[
                question_code(name, "tables", "tabulate"),
                code_fingerprint(
                    "joules.analysis.sensitivity",
                    ["with_unflagged", "with_power_models"],
                ),
            ],
            comparisons=[family.model_dump() for family in DESIGNS[name].comparisons],
        shell:
            "python -m joules tabulate {params.experiment}"
            " --campaign {wildcards.campaign} {params.options} 2> {log}"


rule tabulate_campaign:
    input:
        lambda wildcards: sorted(
            {
                path
                for name in EXPERIMENTS
                for path in record_files(wildcards.campaign, name)
            }
        ),
        [
            f"results/{{campaign}}/tables/{name}/{table}"
            for name in EXPERIMENTS
            for table in ("manifest.json", "statistics.csv", f"{POWER_MODELS}.csv")
        ],
        [f"experiments/{name}/claims.yaml" for name in EXPERIMENTS],
    output:
        update(
            expand(
                "results/{{campaign}}/tables/{experiment}/{table}",
                experiment=SELF,
                table=[
                    "manifest.json",
                    *(f"{table}.csv" for table in tables_of(SELF)),
                ],
            )
        ),
    log:
        "results/{campaign}/logs/tabulate/campaign.log",
    priority: 1
    params:
        experiment=SELF,
        options=option_arguments(
            CONFIG, "scale", "region", "pue", "price_usd_per_kwh", "experiments"
        ),
        code=[
            code_fingerprint("joules.analysis.campaign_tables", ["tabulate"]),
            code_fingerprint("joules.analysis.campaign_power", ["headlines"]),
        ],
    shell:
        "python -m joules tabulate {params.experiment}"
        " --campaign {wildcards.campaign} {params.options} 2> {log}"


rule evaluate:
    input:
        manifests,
        [f"experiments/{name}/claims.yaml" for name in EXPERIMENTS],
    output:
        update("results/{campaign}/claims.csv"),
    log:
        "results/{campaign}/logs/evaluate.log",
    priority: 1
    params:
        experiments=EXPERIMENTS,
        code=code_fingerprint("joules.paper.claims", ["evaluate_claims"]),
    shell:
        "python -m joules evaluate --campaign {wildcards.campaign} {params.experiments} 2> {log}"
