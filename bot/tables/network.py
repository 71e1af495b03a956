"""``[tools.api_call]`` and ``[tools.web_search]``: where tools may go, and with which keys.

Checked by the tools' own reading of domains and networks, so that nothing is found wrong later. It
names environment variables; it must not read them, that is ``settings``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from typing_extensions import override

from agent_engine.tools.api_call.access import (
    PLACE,
    Access,
    HostSecret,
    Private,
    read_private,
)
from agent_engine.tools.http.urls import ANY_DOMAIN, DEFAULT_PORTS, read_domain, read_domains
from agent_engine.tools.secrets import MIN_SECRET_CHARS
from bot.tables.table import VARIABLE_NAME, Names, Table, Variable, dotted

_HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,60}")
_NOT_BY_HEADER = frozenset({"host", "content-length", "transfer-encoding", "connection", "cookie"})
_PARAMETER = re.compile(r"[A-Za-z0-9._~-]{1,60}")


def _named(domain: str) -> str:
    if domain == ANY_DOMAIN:
        raise ValueError("name the domains; read_domains may be '*'")
    return read_domain(domain)


def _any_or_named(domain: str) -> str:
    return domain if domain == ANY_DOMAIN else read_domain(domain)


def _private(entry: str) -> str:
    read_private([entry])
    return entry


_Written = Annotated[str, Field(min_length=1, max_length=253)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Host = Annotated[_Written, AfterValidator(read_domain)]
Domain = Annotated[_Written, AfterValidator(_named)]
ReadDomain = Annotated[_Written, AfterValidator(_any_or_named)]
PrivateEntry = Annotated[str, AfterValidator(_private)]


class ApiSecretTable(Table):
    """A secret for one server; its value is in the environment."""

    host: Host
    """Exactly this one, nothing below it."""
    env: str
    """The environment variable that holds it."""
    header: str | None = None
    """Which header carries it; Authorization where nothing is said."""
    query: str | None = None
    """Or which query parameter."""
    template: str | None = None
    """What is sent, ``{secret}`` in it; ``Bearer {secret}`` for Authorization, else the secret."""
    plain_http: bool = False
    """Whether it may also travel unencrypted."""

    @override
    def problems(self, where: str, names: Names) -> Iterator[str]:
        # Somebody may have written the secret itself there, so it is not shown.
        if not VARIABLE_NAME.fullmatch(self.env):
            yield (
                f"{where}.env: name the environment variable that holds the secret, in capital "
                "letters, digits and _; never put the secret itself here"
            )
        if self.header and self.query:
            yield f"{where}: give header or query, not both"
        if self.header and not _may_carry(self.header):
            yield f"{where}.header: {self.header!r} cannot carry a secret: name another header"
        if self.query and not _PARAMETER.fullmatch(self.query):
            yield f"{where}.query: {self.query!r} is not the name of a query parameter"
        if self.template is not None and not _is_template(self.template):
            yield f"{where}.template: it needs {PLACE} in it, and one line of ASCII"

    @override
    def variables(self, where: str) -> Iterator[Variable]:
        if VARIABLE_NAME.fullmatch(self.env):
            missing = f"{self.env} is missing: set it, or remove {where} from the file"
            yield Variable(name=self.env, missing=missing, least_chars=MIN_SECRET_CHARS)

    def filled(self, value: str) -> HostSecret:
        """Return the secret with its value."""
        header = None if self.query else self.header or "Authorization"
        usual = f"Bearer {PLACE}" if header and header.lower() == "authorization" else PLACE
        return HostSecret(
            host=self.host,
            value=value,
            header=header,
            query=self.query,
            template=usual if self.template is None else self.template,
            plain_http=self.plain_http,
        )


class ApiCallTable(Table):
    """Where ``api_call`` may go. Where nothing is named, the tool is not offered."""

    domains: tuple[Domain, ...] = ()
    """With every method; each domain includes its subdomains."""
    read_domains: tuple[ReadDomain, ...] = ()
    """With GET only, besides the others; ``*`` is every public site."""
    ports: tuple[Port, ...] = tuple(sorted(DEFAULT_PORTS))
    allow_private: tuple[PrivateEntry, ...] = ()
    """Private addresses, networks or domains that may be reached nevertheless."""
    secrets: Mapping[str, ApiSecretTable] = Field(default_factory=dict)

    @override
    def problems(self, where: str, names: Names) -> Iterator[str]:
        allowed = self.access({})
        for name, secret in self.secrets.items():
            host = secret.host
            if not (allowed.domains.holds(host) or allowed.read_domains.holds(host)):
                yield f"{where}.secrets.{dotted((name,))}: {host} is not in domains: add it"

    @property
    def private(self) -> Private:
        """What of the private address space may be reached."""
        return read_private(self.allow_private)

    def access(self, values: Mapping[str, str]) -> Access:
        """Return what calls may do; secrets without a value in ``values`` are left out."""
        return Access(
            domains=read_domains(self.domains),
            read_domains=read_domains(self.read_domains),
            ports=frozenset(self.ports),
            secrets=tuple(
                secret.filled(values[secret.env])
                for secret in self.secrets.values()
                if secret.env in values
            ),
        )


class WebSearchTable(Table):
    """Which provider ``web_search`` asks."""

    provider: Literal["serper", "brave", "tavily", "searxng"] | None = None
    """None for the first that has a key or an address, in this order."""


def _may_carry(header: str) -> bool:
    return bool(_HEADER.fullmatch(header)) and header.lower() not in _NOT_BY_HEADER


def _is_template(template: str) -> bool:
    return PLACE in template and template.isascii() and template.isprintable()
