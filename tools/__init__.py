"""Programs for those who work on Treadle; nothing here runs with the bot."""
