"""What the outside asks, one file per kind of command, each one transaction."""
