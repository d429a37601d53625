"""Experiments: their axes and runs, the cards that they name, and checks of YAML by schemas."""
