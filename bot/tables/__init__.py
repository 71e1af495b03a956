"""What ``treadle.toml`` may say: one file per table, put together in ``bot.agents_file``."""
