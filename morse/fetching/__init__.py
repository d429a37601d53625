"""Fetching what others publish: the only place that touches the network."""
