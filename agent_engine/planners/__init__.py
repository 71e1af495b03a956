"""Planners: each proposes the next actions and can do nothing else."""
