"""How good images are: features, their statistics, distances."""
