"""Noise schedules: alpha, sigma and log-SNR of a timestep, and the grids of timesteps at which samplers ask."""
