# Tables and images -> figures and the notebooks.
from morse.quality.task_metrics import needs_prompts

MAIN = ["curves-lsd", "curves-wall", "speedup", "best"]
# Curves of a text model have a plane of quality and CLIP score.
FID_CLIP = [
    curve
    for curve in CURVES
    if takes_guidance(CARDS["model"][curve[0]])
    and any(needs_prompts(names) for names in metrics_of(curve[1]).values())
]
# Curves on which methods are compared have an image grid.
IMAGE_GRIDS = [curve for curve in CURVES if len(METHODS_OF[curve[0]]) > 1]


rule figures:
    input:
        collect("<results>/figures/{figure}.png", figure=MAIN),
        [
            f"<results>/figures/grids/{model}/{task}/{sampler}.png"
            for model, task, sampler in IMAGE_GRIDS
        ],
        [
            f"<results>/figures/fid_clip/{model}/{task}/{sampler}.png"
            for model, task, sampler in FID_CLIP
        ],
        collect("<results>/figures/explained/{model}.png", model=DOT_MODELS),
        [
            f"<results>/figures/sensitivity/{model}/{task}/{sampler}.png"
            for (model, task, sampler), points in SENSITIVE.items()
            if points
        ],
        collect("<results>/figures/paper/{figure}.png", figure=PAPER_FIGURES),
    localrule: True


rule curves:
    input:
        runs="<results>/tables/runs.csv",
        speedup="<results>/tables/speedup.csv",
    output:
        lsd=report(
            "<results>/figures/curves-lsd.png",
            category="Quality against cost",
            caption="../report/curves-lsd.rst",
            labels={"cost": "LSD"},
        ),
        wall=report(
            "<results>/figures/curves-wall.png",
            category="Quality against cost",
            caption="../report/curves-wall.rst",
            labels={"cost": "wall-clock"},
        ),
        speedup=report(
            "<results>/figures/speedup.png",
            category="Speedup",
            caption="../report/speedup.rst",
            labels={"cost": "both"},
        ),
        best=report(
            "<results>/figures/best.png",
            category="Quality against cost",
            caption="../report/best.rst",
            labels={"cost": "LSD, best sampler"},
        ),
        vector=collect("<results>/figures/{figure}.{kind}", figure=MAIN, kind=VECTOR),
    log:
        "<results>/logs/curves.log",
    conda:
        "../../environment.yml"
    script:
        "../scripts/curves.py"


rule paper_figure:
    input:
        claims=str(cards.resource("config/claims.yaml")),
        schema=str(cards.resource("workflow/schemas/claims.schema.yaml")),
        runs="<results>/tables/runs.csv",
        speedup="<results>/tables/speedup.csv",
    output:
        figure=report(
            "<results>/figures/paper/{figure}-{scale}.png",
            category="The paper's figures",
            caption="../report/paper_figure.rst",
            labels={"figure": "{figure}", "scale": "{scale}"},
        ),
        vector=collect(
            "<results>/figures/paper/{figure}-{scale}.{kind}",
            kind=VECTOR,
            allow_missing=True,
        ),
    log:
        "<results>/logs/paper_figure/{figure}-{scale}.log",
    conda:
        "../../environment.yml"
    params:
        layout=LAYOUT,
    script:
        "../scripts/paper_figure.py"


rule image_grid:
    input:
        images=lambda wildcards: [
            f"<results>/images/{RUN.format(**run)}.npz" for run in grid_runs(wildcards)
        ],
    output:
        grid=report(
            "<results>/figures/grids/{model}/{task}/{sampler}.png",
            category="Images",
            caption="../report/grid.rst",
            labels={"model": "{model}", "task": "{task}", "sampler": "{sampler}"},
        ),
        vector=collect(
            "<results>/figures/grids/{model}/{task}/{sampler}.{kind}",
            kind=VECTOR,
            allow_missing=True,
        ),
    log:
        "<results>/logs/image_grid/{model}/{task}/{sampler}.log",
    conda:
        "../../environment.yml"
    params:
        captions=lambda wildcards: [
            f"{run['method']} {run['budget']} LSD" for run in grid_runs(wildcards)
        ],
    script:
        "../scripts/image_grid.py"


rule fid_clip:
    input:
        runs="<results>/tables/runs.csv",
    output:
        figure=report(
            "<results>/figures/fid_clip/{model}/{task}/{sampler}.png",
            category="Quality and CLIP score",
            caption="../report/fid_clip.rst",
            labels={"model": "{model}", "task": "{task}", "sampler": "{sampler}"},
        ),
        vector=collect(
            "<results>/figures/fid_clip/{model}/{task}/{sampler}.{kind}",
            kind=VECTOR,
            allow_missing=True,
        ),
    log:
        "<results>/logs/fid_clip/{model}/{task}/{sampler}.log",
    conda:
        "../../environment.yml"
    script:
        "../scripts/fid_clip.py"


rule explained_figure:
    input:
        record="<results>/explained/{model}.json",
    output:
        figure=report(
            "<results>/figures/explained/{model}.png",
            category="Dot",
            caption="../report/explained.rst",
            labels={"model": "{model}"},
        ),
        vector=collect(
            "<results>/figures/explained/{model}.{kind}",
            kind=VECTOR,
            allow_missing=True,
        ),
    log:
        "<results>/logs/explained_figure/{model}.log",
    conda:
        "../../environment.yml"
    script:
        "../scripts/explained_figure.py"


rule notebook:
    input:
        notebook=workflow.source_path("../../notebooks/curves.ipynb"),
        runs="<results>/tables/runs.csv",
        speedup="<results>/tables/speedup.csv",
        jackknife="<results>/tables/jackknife.csv",
    output:
        notebook="<results>/notebooks/curves.ipynb",
    log:
        "<results>/logs/notebook.log",
    conda:
        "../../environment.yml"
    script:
        "../scripts/notebook.py"


use rule notebook as paper_notebook with:
    input:
        notebook=workflow.source_path("../../notebooks/paper_figures.ipynb"),
        layout=str(cards.resource("config/paper_figures.yaml")),
        claims=str(cards.resource("config/claims.yaml")),
        runs="<results>/tables/runs.csv",
        speedup="<results>/tables/speedup.csv",
        jackknife="<results>/tables/jackknife.csv",
    output:
        notebook="<results>/notebooks/paper_figures.ipynb",
    log:
        "<results>/logs/paper_notebook.log",
