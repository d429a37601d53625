"""Tables as CSV -> Markdown and LaTeX."""

from pathlib import Path

from adapter import job

with job(snakemake):
    import pandas as pd

    from morse.files import write_atomically
    from morse.tables import TEXTS, latex, markdown

    captions, outputs = snakemake.params.captions, snakemake.output
    for (name, caption), path, md, tex in zip(captions.items(), snakemake.input, outputs.md, outputs.tex, strict=True):
        text = TEXTS[name](pd.read_csv(path))
        write_atomically(lambda temporary, text=text: temporary.write_text(markdown(text)), Path(md))
        content = latex(text, caption, f"tab:{name}")
        write_atomically(lambda temporary, content=content: temporary.write_text(content), Path(tex))
