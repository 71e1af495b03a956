"""``python -m bot``: the treadle command."""

from bot.cli import main

if __name__ == "__main__":
    main()
