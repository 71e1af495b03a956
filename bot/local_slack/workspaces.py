"""The workspaces behind one address: finds the one that a token, code, file or answer belongs to.

Slack has one API for all workspaces, so an app that is installed in several needs one server.
"""

from collections.abc import Callable, Iterator

from bot.local_slack.core import Core


class Workspaces:
    """All workspaces of one server; the first one answers what belongs to none."""

    def __init__(self, first: Core) -> None:
        self.first = first
        self._cores = [first]

    def __iter__(self) -> Iterator[Core]:
        """Go through all of them, the first one first."""
        return iter(tuple(self._cores))

    def add(self, core: Core) -> None:
        """Let another workspace share the address."""
        self._cores.append(core)

    def of_token(self, token: str | None) -> Core:
        """Find the workspace where a bot token is valid."""
        return self._which(lambda core: token in core.installation.scopes_by_token)

    def of_grant(self, code: str | None, refresh_token: str | None) -> Core:
        """Find the workspace that handed out an OAuth code or refresh token."""
        return self._which(
            lambda core: (
                code in core.installation.codes or refresh_token in core.installation.refresh_tokens
            )
        )

    def of_response(self, key: str) -> Core:
        """Find the workspace that handed out a response_url."""
        return self._which(lambda core: key in core.response_urls)

    def of_file(self, file_id: str) -> Core:
        """Find the workspace that has a file."""
        return self._which(lambda core: file_id in core.files.files)

    def of_team(self, team_id: str | None) -> Core:
        """Find a workspace by its id."""
        return self._which(lambda core: core.state.team_id == team_id)

    def _which(self, belongs: Callable[[Core], bool]) -> Core:
        return next((core for core in self._cores if belongs(core)), self.first)
