"""Tests: unit, storage."""
