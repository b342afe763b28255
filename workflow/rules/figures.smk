# One job per experiment: starting Python and its plotting libraries takes longer than drawing.
for name in EXPERIMENTS:

    rule:
        name:
            f"draw_{name}"
        input:
            table_files("{campaign}", name),
        output:
            [
                report(
                    update(f"figures/{{campaign}}/{figure}.pdf"),
                    caption="../report/figure.rst",
                    category=DESIGNS[name].title,
                    labels={"figure": figure.replace("_", " ")},
                )
                for figure in figures_of(name)
            ],
            [
                update(f"figures/{{campaign}}/{figure}{suffix}")
                for figure in figures_of(name)
                for suffix in (".svg", ".provenance.json")
            ],
        log:
            f"results/{{campaign}}/logs/draw/{name}.log",
        localrule: True
        params:
            experiment=name,
            captions=figures_of(name),
            code=code_fingerprint(f"experiments.{name}.figures", list(figures_of(name))),
        shell:
            "python -m joules draw {params.experiment} --campaign {wildcards.campaign} 2> >(tee {log} >&2)"
