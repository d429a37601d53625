"""Tables as CSV -> Markdown and LaTeX."""

from adapter import job, write_text

with job(snakemake):
    import pandas as pd

    from morse.tables import TEXTS, latex, markdown

    captions, outputs = snakemake.params.captions, snakemake.output
    for (name, caption), path, md, tex in zip(captions.items(), snakemake.input, outputs.md, outputs.tex, strict=True):
        text = TEXTS[name](pd.read_csv(path))
        write_text(markdown(text), md)
        write_text(latex(text, caption, f"tab:{name}"), tex)
