"""Tests: the engine's pure parts and its loop."""
