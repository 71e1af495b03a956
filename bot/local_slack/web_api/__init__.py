"""The Web API methods of the local workspace, one file per family, each ending in its table."""
