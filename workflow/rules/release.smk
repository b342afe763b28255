rule manifest:
    input:
        "paper/build/{campaign}/paper.pdf",
        "paper/build/{campaign}/supplement.pdf",
        "results/{campaign}/claims.csv",
    output:
        update("results/{campaign}/manifest.json"),
    log:
        "results/{campaign}/logs/manifest.log",
    params:
        experiments=EXPERIMENTS,
        options=option_arguments(CONFIG, "scale", "region", "pue", "price_usd_per_kwh"),
    shell:
        "python -m joules manifest --campaign {wildcards.campaign} {params.experiments}"
        " {params.options} 2> >(tee {log} >&2)"


rule explorer:
    input:
        "results/{campaign}/manifest.json",
        [f"joules/archive/page/{name}" for name in ("page.html", "style.css", "app.js")],
    output:
        update("results/{campaign}/explorer.html"),
    log:
        "results/{campaign}/logs/explorer.log",
    params:
        compared=lambda wildcards: release_hashes(wildcards.campaign),
        captions=[(DESIGNS[name].question, figures_of(name)) for name in EXPERIMENTS],
        code=[
            code_fingerprint("joules.archive.explorer", ["render_page"]),
            *(
                experiment_code(name, "figures", *figures_of(name))
                for name in EXPERIMENTS
            ),
        ],
    shell:
        "python -m joules explorer --campaign {wildcards.campaign} 2> >(tee {log} >&2)"


rule package:
    input:
        "results/{campaign}/manifest.json",
        "results/{campaign}/explorer.html",
        "CITATION.cff",
    output:
        update("results/{campaign}/datapackage.json"),
        update("results/{campaign}/ro-crate-metadata.json"),
        update("results/{campaign}/deposit.json"),
        update("results/{campaign}/README.md"),
        update("results/{campaign}.zip"),
    log:
        "results/{campaign}/logs/release.log",
    shell:
        "python -m joules release --campaign {wildcards.campaign} 2> >(tee {log} >&2)"


rule release:
    input:
        CAMPAIGN.results / "datapackage.json",
        CAMPAIGN.results / "ro-crate-metadata.json",
        CAMPAIGN.results / "deposit.json",
        CAMPAIGN.results / "README.md",
        CAMPAIGN.archive,
