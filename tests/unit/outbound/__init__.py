"""Tests: what goes out to Slack."""
