# How much an error at each call changes the final image (morse/sampling/sensitivity.py).
from morse.experiments.axes import AXES

POINT_PATH = path_pattern(AXES[:-1])
# Runs that have calls of more kinds than Dash's, at the first guidance scale of their curve.
SENSITIVE = {
    curve: sorted(
        {
            POINT_PATH.format(**run)
            for run in RUNS
            if (run["model"], run["task"], run["sampler"]) == curve
            and run["guidance"] == first_seed_of(RUNS, *curve)[0]["guidance"]
            and run["budget"] in config["sensitivity"]["budgets"]
            and len(METHODS[run["method"]].calls) > 1
        }
    )
    for curve in CURVES
}


rule sensitivity:
    input:
        dash=dash_weights,
        dot=prepared_dot,
        plan=chosen_plan,
        prompts=encoded_prompts,
    output:
        record=f"<results>/sensitivity/{POINT_PATH}.json",
    log:
        f"<results>/logs/sensitivity/{POINT_PATH}.log",
    conda:
        "../../environment.yml"
    threads: all_cores
    resources:
        gpu=1,
    params:
        card=network_view,
        sampler=sampler_view,
        settings=lambda w: cards.method_view(config, w.method),
        images=config["sensitivity"]["images"],
        device=config["device"],
    script:
        "../scripts/sensitivity.py"


rule sensitivity_figure:
    input:
        records=lambda w: [
            f"<results>/sensitivity/{point}.json"
            for point in SENSITIVE[w.model, w.task, w.sampler]
        ],
    output:
        figure=report(
            "<results>/figures/sensitivity/{model}/{task}/{sampler}.png",
            category="Dot",
            caption="../report/sensitivity.rst",
            labels={"model": "{model}", "task": "{task}", "sampler": "{sampler}"},
        ),
        vector=collect(
            "<results>/figures/sensitivity/{model}/{task}/{sampler}.{kind}",
            kind=VECTOR,
            allow_missing=True,
        ),
    log:
        "<results>/logs/sensitivity_figure/{model}/{task}/{sampler}.log",
    conda:
        "../../environment.yml"
    script:
        "../scripts/sensitivity_figure.py"
