rule draw:
    input:
        lambda wildcards: [
            Campaign(wildcards.campaign).tables(FIGURES[wildcards.figure]) / table
            for table in [
                "manifest.json",
                *(f"{table}.csv" for table in tables_of(FIGURES[wildcards.figure])),
            ]
        ],
    output:
        report(
            update("figures/{campaign}/{figure}.pdf"),
            caption="../report/figure.rst",
            category=lambda wildcards: title_of(FIGURES[wildcards.figure]),
        ),
        update("figures/{campaign}/{figure}.png"),
        update("figures/{campaign}/{figure}.provenance.json"),
    log:
        "results/{campaign}/logs/draw/{figure}.log",
    params:
        experiment=lambda wildcards: FIGURES[wildcards.figure],
        caption=lambda wildcards: figures_of(FIGURES[wildcards.figure])[
            wildcards.figure
        ],
        code=lambda wildcards: code_fingerprint(
            figures_module(FIGURES[wildcards.figure]), [wildcards.figure]
        ),
    shell:
        "python -m joules draw {params.experiment} {wildcards.figure}"
        " --campaign {wildcards.campaign} 2> {log}"
