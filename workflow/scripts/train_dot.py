"""Card and Dash -> Dot's weights."""

from pathlib import Path

from adapter import device_of, job, written_by

with job(snakemake, networks=True):
    from morse.data.archive import with_file
    from morse.experiments.dot_options import with_means
    from morse.files import write_json
    from morse.results.records import training_record
    from morse.training.distributed import run

    config, device, means = snakemake.params, device_of(snakemake), snakemake.resources
    card, data = with_means(config.card, means), with_file(config.data, snakemake.input.own)
    dash, output = Path(snakemake.input.dash), Path(snakemake.output.dot)
    training = run(means.processes, device, "morse.dot.training:train_dot_on", card, data, dash, output, device)
    write_json(training_record(training, written_by(device)), snakemake.output.training)
