rule draw:
    input:
        lambda wildcards: [
            Campaign(wildcards.campaign).tables(FIGURES[wildcards.figure]) / table
            for table in [
                "manifest.json",
                *(
                    f"{table}.csv"
                    for table in DESIGNS[FIGURES[wildcards.figure]].tables
                ),
            ]
        ],
    output:
        report(
            update("figures/{campaign}/{figure}.pdf"),
            caption="../report/figure.rst",
            category=lambda wildcards: DESIGNS[FIGURES[wildcards.figure]].title,
        ),
        update("figures/{campaign}/{figure}.png"),
        update("figures/{campaign}/{figure}.provenance.json"),
    log:
        "results/{campaign}/logs/draw/{figure}.log",
    params:
        experiment=lambda wildcards: FIGURES[wildcards.figure],
        caption=lambda wildcards: DESIGNS[FIGURES[wildcards.figure]].figures[
            wildcards.figure
        ],
        code=lambda wildcards: code_fingerprint(
            f"experiments.{FIGURES[wildcards.figure]}.figures", [wildcards.figure]
        ),
    shell:
        "python -m joules draw {params.experiment} {wildcards.figure}"
        " --campaign {wildcards.campaign} 2> {log}"
