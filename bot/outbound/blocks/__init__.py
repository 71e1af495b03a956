"""Engine values to Block Kit, as pure functions."""
