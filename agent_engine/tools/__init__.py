"""Tools: what an agent can do, and the one path by which it does it."""
