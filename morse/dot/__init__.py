"""Dot, the fast network that corrects Dash's last noise estimate: its layers and its training."""
