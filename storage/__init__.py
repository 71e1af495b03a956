"""Rows: implements the ports of the engine and the bot on SQLite and PostgreSQL."""
