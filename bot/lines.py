"""Lines for people at a terminal, and for whatever reads a pipe instead.

A terminal gets wrapped lines with a hanging indent and rendered Markdown; a pipe or file gets each
line whole, the Markdown as it is, and no escape codes. Texts of people, models and tools are shown
literally.
"""

from rich.console import Console, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bot.outbound.text import clean


class Lines:
    """Prints to one console, everything indented alike."""

    def __init__(self, console: Console, *, indent: int = 0) -> None:
        self._console = console
        self._indent = indent

    def marked(self, mark: str, text: str, *, style: str = "", note: str = "") -> None:
        """Print a line that begins with a mark; the style is the mark's, the note is dim."""
        line = Text(clean(text))
        if note:
            line.append(f" — {clean(note)}", style="dim")
        if not self._console.is_terminal:
            self._whole(Text.assemble(f"{mark} ", line))
            return
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=1)
        grid.add_column(overflow="fold")
        grid.add_row(Text(mark, style=style), line)
        self._indented(grid)

    def text(self, text: str, *, style: str = "") -> None:
        """Print a paragraph or several lines."""
        shown = Text(clean(text), style=style, overflow="fold")
        if self._console.is_terminal:
            self._indented(shown)
        else:
            self._whole(shown)

    def address(self, text: str, *, style: str = "") -> None:
        """Print what must stay in one piece to be copied: a path or a link."""
        self._whole(Text(clean(text), style=style))

    def markdown(self, text: str) -> None:
        """Print Markdown, rendered where somebody looks at it."""
        if self._console.is_terminal:
            self._indented(Markdown(clean(text)))
        else:
            self._whole(Text(clean(text)))

    def _indented(self, shown: RenderableType) -> None:
        self._console.print(Padding(shown, (0, 0, 0, self._indent), expand=False))

    def _whole(self, text: Text) -> None:
        for line in text.split("\n", allow_blank=True):
            indented = Text.assemble(" " * self._indent if line.plain else "", line)
            self._console.print(indented, soft_wrap=True, highlight=False)
