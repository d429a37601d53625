"""The map of what Dot explains, on images that it was not trained on."""

from adapter import device_of, job

with job(snakemake, networks=True):
    from morse.data.loading import load_split, with_file
    from morse.dot.explained import explain
    from morse.files import write_json
    from morse.results.dot_records import explained_record
    from morse.sampling.run import load_networks

    config, device = snakemake.params, device_of(snakemake)
    dash, dot = load_networks(config.card, ("dash", "dot"), snakemake.input.dot, device, True).values()
    data, chain = (
        load_split(with_file(config.data, snakemake.input.own), "test"),
        config.card["dot"]["training"]["chain"],
    )
    found = explain(dash, dot, data.images, chain, config.draws, device, data.labels, data.captions)
    write_json(explained_record(snakemake.wildcards.model, *found), snakemake.output.record)
