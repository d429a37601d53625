"""Sampling: the loop, runs and their files of images, the search for a plan, costs of calls."""
