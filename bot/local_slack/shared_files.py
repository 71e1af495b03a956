"""Files in both halves of Slack's upload: announced and filled, then completed and shared."""

import mimetypes
import time
from dataclasses import dataclass

from bot.local_slack.errors import RefusedError
from bot.local_slack.mint import Mint
from bot.local_slack.records import SharedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file as it is announced."""

    name: str
    user: str
    size: int
    title: str = ""


class SharedFiles:
    """All files of the workspace by id."""

    def __init__(self, *, mint: Mint) -> None:
        self._mint = mint
        self.files: dict[str, SharedFile] = {}

    def announce(self, new: NewFile) -> SharedFile:
        """Reserve an id for a file whose bytes come later."""
        file = SharedFile(
            id=self._mint.id("F"),
            name=new.name,
            title=new.title or new.name,
            mimetype=mimetypes.guess_type(new.name)[0] or "application/octet-stream",
            user=new.user,
            created=int(time.time()),
            announced_size=new.size,
        )
        self.files[file.id] = file
        return file

    def find(self, file_id: str) -> SharedFile:
        """Find a file by id."""
        found = self.files.get(file_id)
        if found is None:
            raise RefusedError("file_not_found")
        return found

    def complete(self, file_id: str, *, title: str | None) -> SharedFile:
        """Finish an upload; a file without bytes is refused."""
        file = self.find(file_id)
        if file.content is None:
            raise RefusedError("file_not_found")
        file.title = title or file.title
        file.is_complete = True
        return file

    def remove(self, file_id: str) -> None:
        """Delete a file."""
        self.find(file_id)
        del self.files[file_id]
