"""Slack out: the only place that writes to Slack."""
