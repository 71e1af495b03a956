"""The tool that searches the web, with one driver per provider."""
