rule manifest:
    input:
        "paper/build/{campaign}/paper.pdf",
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
        " {params.options} 2> {log}"


rule package:
    input:
        "results/{campaign}/manifest.json",
        "CITATION.cff",
    output:
        update("results/{campaign}/datapackage.json"),
        update("results/{campaign}/ro-crate-metadata.json"),
        update("results/{campaign}/README.md"),
        update("results/{campaign}.zip"),
    log:
        "results/{campaign}/logs/release.log",
    shell:
        "python -m joules release --campaign {wildcards.campaign} 2> {log}"


rule release:
    input:
        CAMPAIGN.results / "datapackage.json",
        CAMPAIGN.results / "ro-crate-metadata.json",
        CAMPAIGN.results / "README.md",
        CAMPAIGN.archive,
