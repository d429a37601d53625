"""Images of runs -> one grid, a row each."""

from adapter import job

with job(snakemake):
    from morse.files import open_npz
    from morse.report.images import image_grid
    from morse.report.style import formats, save

    rows = []
    for caption, path in zip(snakemake.params.captions, snakemake.input.images, strict=True):
        with open_npz(path, "file of images", "delete it and run again") as file:
            rows.append((f"{caption} LSD", file["images"]))
    node = snakemake.wildcards
    save(image_grid(rows, f"{node.model}, {node.sampler}: the same noise in each column"), formats(snakemake.output.grid))
