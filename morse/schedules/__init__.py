"""Noise schedules (alpha, sigma and log-SNR at a timestep) and the timestep grids of samplers."""
