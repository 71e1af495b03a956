"""The tool that calls APIs and reads pages."""
