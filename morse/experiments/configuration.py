"""The configuration of a run: its files, read strictly, and what the command line changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from morse.experiments.cards import merged, schema
from morse.experiments.schema import partial, validate
from morse.experiments.yaml import read_yaml


def read_configuration(files: Iterable[Path | str], changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The configuration that some files give together, complete and valid.

    Snakemake reads them too, but by rules in which ``010`` is 8, and the last of two equal keys
    wins.

    Args:
        files: YAML files. Later ones win, key by key; lists are replaced as a whole.
        changes: of the option --config, which win over all files.

    Raises:
        ValueError: one line that names the file, the key and the error.
    """
    content: dict[str, Any] = {}
    for file in files:
        own = read_yaml(Path(file))
        validate(own, partial(schema("config")), str(file))
        content = merged(content, own)
    content = merged(content, changes or {})
    validate(content, schema("config"), "configuration")
    return content
