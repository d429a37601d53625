"""Tables as CSV -> Markdown, LaTeX and HTML."""

from adapter import job, write_text

with job(snakemake):
    import pandas as pd

    from morse.report.text_tables import TEXTS, html, latex, markdown

    captions, outputs = snakemake.params.captions, snakemake.output
    for index, ((name, caption), path) in enumerate(zip(captions.items(), snakemake.input, strict=True)):
        text = TEXTS[name](pd.read_csv(path))
        write_text(markdown(text), outputs.md[index])
        write_text(latex(text, caption, f"tab:{name}"), outputs.tex[index])
        write_text(html(text, caption), outputs.html[index])
