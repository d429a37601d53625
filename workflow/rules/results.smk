# Records -> tables; verdicts on claims about Morse; average speedups beside the paper's; the tables as Markdown, LaTeX and HTML.
from morse.report.text_tables import TEXTS
from morse.results.tables import TABLES


rule tables:
    input:
        records=[f"<results>/records/{path}.json" for path in RUN_PATHS],
        metrics=[
            f"<results>/metrics/{RUN.format(**run)}/{extractor}.json"
            for run in RUNS
            for extractor in metrics_of(run["task"])
        ],
        latencies=collect("<results>/latency/{model}.json", model=MEASURED_MODELS),
        timings=[f"<results>/timing/{cell}.json" for cell in TIMED_CELLS],
        trainings=[
            f"<results>/dot/{model}.json" for model in DOT_MODELS if trains_dot(model)
        ],
    output:
        **{name: f"<results>/tables/{name}.csv" for name in TABLES},
    log:
        "<results>/logs/tables.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        quality=cards.only(config["quality"], ("margin", "saturation", "max_quality")),
        trained=cards.trained_elsewhere(cards.only(CARDS["model"], DOT_MODELS)),
    script:
        "../scripts/tables.py"


rule claims:
    input:
        claims=str(cards.resource("config/claims.yaml")),
        schema=str(cards.resource("workflow/schemas/claims.schema.yaml")),
        runs="<results>/tables/runs.csv",
        speedup="<results>/tables/speedup.csv",
        latency="<results>/tables/latency.csv",
        costs="<results>/tables/costs.csv",
    output:
        csv="<results>/tables/claims.csv",
    log:
        "<results>/logs/claims.log",
    localrule: True
    conda:
        "../../environment.yml"
    script:
        "../scripts/claims.py"


rule paper_speedups:
    input:
        claims=str(cards.resource("config/claims.yaml")),
        schema=str(cards.resource("workflow/schemas/claims.schema.yaml")),
        runs="<results>/tables/runs.csv",
        speedup="<results>/tables/speedup.csv",
        jackknife="<results>/tables/jackknife.csv",
    output:
        csv="<results>/tables/paper_speedups.csv",
    log:
        "<results>/logs/paper_speedups.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        layout=LAYOUT,
    script:
        "../scripts/paper_speedups.py"


rule text_tables:
    input:
        collect("<results>/tables/{table}.csv", table=TEXTS),
    output:
        md=collect("<results>/tables/{table}.md", table=TEXTS),
        tex=collect("<results>/tables/{table}.tex", table=TEXTS),
        html=report(
            collect("<results>/tables/{table}.html", table=TEXTS),
            category="Tables",
            caption="../report/table.rst",
        ),
    log:
        "<results>/logs/text_tables.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        tables=list(TEXTS),
    script:
        "../scripts/text_tables.py"
