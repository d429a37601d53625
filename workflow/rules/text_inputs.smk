# What jobs of text models take beside those of others; how many images a run has.


def images_of(wildcards):
    return images_of_run(config, CARDS["task"][wildcards.task])


def task_of(wildcards):
    """The task of a job: of a search for plans, the first of the model's runs."""
    if "task" in wildcards.keys():
        return wildcards.task
    return next(run["task"] for run in RUNS if run["model"] == wildcards.model)


def encoded_prompts(wildcards):
    """The prompts of a text model's runs; pixel models have none."""
    guided = takes_guidance(CARDS["model"][wildcards.model])
    place = f"<results>/prompts/{wildcards.model}/{task_of(wildcards)}.safetensors"
    return place if guided else []
