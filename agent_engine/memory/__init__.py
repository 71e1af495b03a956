"""Memories: what an agent can recall."""
