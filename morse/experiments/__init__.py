"""What is asked for: the axes of an experiment, and YAML held against its schema."""
