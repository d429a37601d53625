"""Quality of images: features, their statistics, distances."""
