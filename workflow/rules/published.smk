# `snakemake --cores 1 published_weights` fetches published weights. It is the only step that uses
# the network, and no run depends on it.


rule published_weights:
    input:
        [str(directory() / file) for file in PUBLISHED],
    localrule: True


rule fetch_weights:
    output:
        str(directory() / "{file}"),
    log:
        "<results>/logs/fetch_weights/{file}.log",
    wildcard_constraints:
        file="|".join(map(re.escape, PUBLISHED)),
    localrule: True
    conda:
        "../../environment.yml"
    script:
        "../scripts/fetch_weights.py"
