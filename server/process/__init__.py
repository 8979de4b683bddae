"""Processes: what a worker is made of, how it is told things, and how it ends."""
