"""Morse: dual-sampling for diffusion models (arXiv 2506.18251).

The README has a first example of six lines. docs/layout.md is the map of the library.
"""
