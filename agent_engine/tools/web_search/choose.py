"""Which search provider an installation has. One line in the table per driver."""

from collections.abc import Callable, Mapping
from typing import Final

from agent_engine.tools.web_search.brave import Brave
from agent_engine.tools.web_search.provider import Provider
from agent_engine.tools.web_search.searxng import SearXNG
from agent_engine.tools.web_search.serper import Serper
from agent_engine.tools.web_search.tavily import Tavily

PROVIDERS: Final[Mapping[str, Callable[[str], Provider]]] = {
    "serper": lambda key: Serper(key=key),
    "brave": lambda key: Brave(key=key),
    "tavily": lambda key: Tavily(key=key),
    "searxng": lambda address: SearXNG(base_url=address),
}
"""By name, in the order in which they are chosen; each made from its key or its address."""


def choose_provider(configured: Mapping[str, str], *, only: str | None = None) -> Provider | None:
    """Return the provider to use; None when there is none.

    Args:
        configured: key or address by provider, empty ones for those that are not configured.
        only: the one that the operator named; then no other one is used.
    """
    for name, make in PROVIDERS.items():
        if only in (None, name) and (told := configured.get(name)):
            return make(told)
    return None
