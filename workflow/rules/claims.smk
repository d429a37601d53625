# What is claimed of Morse against the tables; the tables as Markdown and LaTeX.
TEXT_TABLES = {
    "runs": "The runs; qualities with their standard errors.",
    "speedup": "Speedup of Morse at equal quality, with 95 % intervals; >= and <= are bounds.",
    "summary": "Mean speedups over the budgets; >= is a lower bound.",
    "latency": "Latencies of a call on a batch, and the ratio N with its 95 % interval.",
    "summary_by_metric": "Mean speedups by each measure of quality; >= is a lower bound.",
    "claims": "Claims of the paper against our runs; marks: P paper, N notes, R reviews.",
    "costs": "Images after which Dot has paid for its training, and memory.",
}


rule claims:
    input:
        claims=resource("config/claims.yaml"),
        schema=resource("workflow/schemas/claims.schema.yaml"),
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


rule text_tables:
    input:
        collect("<results>/tables/{table}.csv", table=TEXT_TABLES),
    output:
        md=collect("<results>/tables/{table}.md", table=TEXT_TABLES),
        tex=collect("<results>/tables/{table}.tex", table=TEXT_TABLES),
        html=report(
            collect("<results>/tables/{table}.html", table=TEXT_TABLES),
            category="Tables",
            caption="../report/table.rst",
        ),
    log:
        "<results>/logs/text_tables.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        captions=TEXT_TABLES,
    script:
        "../scripts/text_tables.py"
