"""Keeps calls to this very machine away from a proxy.

Slack's SDK takes the proxy of the environment for every address and knows no exceptions, so with
``HTTPS_PROXY`` set a local workspace would be asked for through a proxy that cannot reach it.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from slack_sdk.web.async_client import AsyncWebClient


def reach_directly(client: AsyncWebClient) -> AsyncWebClient:
    """Take the proxy away from a client of a server on this machine; return the client."""
    if is_loopback(client.base_url):
        client.proxy = None
    return client


def is_loopback(url: str) -> bool:
    """Say whether the address is on this machine.

    >>> is_loopback("http://127.0.0.1:8080/api/"), is_loopback("https://slack.com/api/")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
