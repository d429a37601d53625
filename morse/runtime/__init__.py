"""This machine: how networks run on it, and how long a call takes."""
