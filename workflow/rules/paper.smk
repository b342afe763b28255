SOURCES = list_sources(EXPERIMENTS)


rule export:
    input:
        [path for name in EXPERIMENTS for path in table_files("{campaign}", name)],
        "results/{campaign}/claims.csv",
        [f"figures/{{campaign}}/{figure}.provenance.json" for figure in FIGURES],
        SOURCES,
    output:
        update("paper/build/{campaign}/values.tex"),
        update("paper/build/{campaign}/values.csv"),
        update("paper/build/{campaign}/captions.tex"),
        update("paper/build/{campaign}/tables.tex"),
        update("paper/build/{campaign}/questions.tex"),
        update("paper/build/{campaign}/sections.tex"),
        update("paper/build/{campaign}/details.tex"),
        update("paper/build/{campaign}/exported.json"),
    log:
        "results/{campaign}/logs/export.log",
    params:
        experiments=EXPERIMENTS,
        # Not as inputs: files of a released campaign are not made again for the reader's own.
        compared=lambda wildcards: release_hashes(wildcards.campaign),
        captions=[(DESIGNS[name].question, figures_of(name)) for name in EXPERIMENTS],
        code=[
            *(
                experiment_code(name, "report", "values", "display")
                for name in EXPERIMENTS
            ),
            code_fingerprint("joules.paper.steps", ["export_values", "check_prose"]),
            code_fingerprint("joules.paper.comparison", ["values", "display"]),
        ],
    shell:
        "python -m joules export --campaign {wildcards.campaign} {params.experiments} 2> >(tee {log} >&2)"


rule typeset:
    input:
        SOURCES,
        "paper/preamble.tex",
        "paper/references.bib",
        "CITATION.cff",
        [
            f"figures/{{campaign}}/{figure}{suffix}"
            for figure in FIGURES
            for suffix in (".pdf", ".svg")
        ],
        rules.export.output,
    output:
        update("paper/build/{campaign}/paper.pdf"),
        update("paper/build/{campaign}/supplement.pdf"),
        update("paper/build/{campaign}/paper.html"),
        update("paper/build/{campaign}/supplement.html"),
        update("paper/build/{campaign}/typeset.json"),
    log:
        "results/{campaign}/logs/typeset.log",
    shell:
        "python -m joules typeset --campaign {wildcards.campaign} 2> >(tee {log} >&2)"
