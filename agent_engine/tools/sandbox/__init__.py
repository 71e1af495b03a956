"""Sandboxes for code that agents write: one driver per file."""
