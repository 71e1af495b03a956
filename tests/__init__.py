"""Treadle's tests."""
