# What jobs take as inputs and parameters. What they need of a card is cut out by morse/experiments/cards.py.
VECTOR = ["svg", "pdf"]  # beside each PNG
PLANS = "<results>/plans/method={method}/model={model}/sampler={sampler}/guidance={guidance}"


def networks_of(wildcards):
    """The networks that a job loads: its method's, or those of all methods of its model."""
    if "network" in wildcards.keys():
        return tuple(dict.fromkeys(["dash", wildcards.network]))
    names = (
        [wildcards.method]
        if "method" in wildcards.keys()
        else METHODS_OF[wildcards.model]
    )
    return methods.networks_of(names)


def network_view(wildcards):
    return cards.network_view(CARDS["model"][wildcards.model], networks_of(wildcards))


def prepared_dot(wildcards):
    """Runs of Dash alone do not depend on Dot."""
    needed = "dot" in networks_of(wildcards)
    return f"<results>/prepared/{wildcards.model}.safetensors" if needed else []


def measured_executions(wildcards):
    """For the execution `best`, a file for each network of the job, Dash's first; else none."""
    return [
        f"<results>/execution/{wildcards.model}/{network}.json"
        for network in networks_of(wildcards)
        if config["execution"] == "best"
    ]


def all_cores(wildcards):
    """So a job is alone on the machine, or on its part of one with several GPUs."""
    given = dict(workflow.resource_settings.resources.items()).get("gpu", 1)
    gpus = getattr(given, "value", given)  # of newer Snakemakes an object
    return max(1, workflow.cores // max(1, gpus))


def batch_size_of(wildcards):
    return CARDS["model"][wildcards.model].get("batch_size", config["batch_size"])


def trains_dot(model):
    """Whether the run trains the model's Dot, instead of loading the shipped one."""
    return CARDS["model"][model]["dot"]["source"] == "train"


def dot_data(wildcards):
    """The data of Dot's training, as a task's card has them; of own images the size alone."""
    card = CARDS["model"][wildcards.model]
    name = card["dot"]["training"]["data"]
    own = {"size": card["unet"]["sample_size"]}
    return own if name == cards.OWN else CARDS["task"][name]["data"]


def prepared_data(wildcards):
    """The file of the data of Dot's training, if a job prepares it."""
    data = dot_data(wildcards)
    return str(cards.resource(data["file"])) if "kind" in data else []


def own_images(wildcards):
    """The images that Dash makes for Dot's training, if its card asks for them."""
    own = CARDS["model"][wildcards.model]["dot"]["training"]["data"] == cards.OWN
    return f"<results>/own_images/{wildcards.model}/dataset.json" if own else []


def dash_weights(wildcards):
    return str(cards.resource(CARDS["model"][wildcards.model]["dash"]["file"]))


def sampler_view(wildcards):
    return cards.sampler_view(CARDS["sampler"][wildcards.sampler])


def chosen_plan(wildcards):
    """The file of a plan that is searched for; other policies need no job for their plans."""
    searched = cards.searches(config, wildcards.method)
    return f"{PLANS}/budget={{budget}}.json" if searched else []


def first_extractor(task):
    """The extractor of a task whose distance is the quality."""
    return CARDS["task"][task]["extractors"][0]


def metrics_of(task):
    """Extractor -> the metrics that are computed by it; extractors without any are left out."""
    return task_metrics.metrics_of_task(config, CARDS, task)


def grid_runs(wildcards):
    return first_seed_of(RUNS, wildcards.model, wildcards.task, wildcards.sampler)
