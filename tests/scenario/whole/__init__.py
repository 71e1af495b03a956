"""Tests: the whole bot, in process, in the local workspace."""
