"""Tables of ``treadle.toml`` for tools that use the network: where they may go, with which keys.

Checked by the tools' own reading of domains and networks, so that nothing is found wrong later. It
names environment variables; it must not read them, that is ``settings``.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent_engine.tools.api_call.access import (
    PLACE,
    Access,
    HostSecret,
    Private,
    read_private,
)
from agent_engine.tools.http.urls import ANY_DOMAIN, DEFAULT_PORTS, read_domain, read_domains

_HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,60}")
_NOT_BY_HEADER = frozenset({"host", "content-length", "transfer-encoding", "connection", "cookie"})
_PARAMETER = re.compile(r"[A-Za-z0-9._~-]{1,60}")

Port = Annotated[int, Field(ge=1, le=65_535)]
Domain = Annotated[str, Field(min_length=1, max_length=253)]
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,79}")


class Table(BaseModel):
    """A table of the file: nothing unknown in it, nothing can be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiSecretTable(Table):
    """A secret for one server; its value is in the environment."""

    host: Domain
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

    @field_validator("host")
    @classmethod
    def _is_host(cls, host: str) -> str:
        return read_domain(host)

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if self.header and self.query:
            raise ValueError("give header or query, not both")
        if self.header and not _may_carry(self.header):
            raise ValueError(f"{self.header!r} cannot carry a secret: name another header")
        if self.query and not _PARAMETER.fullmatch(self.query):
            raise ValueError(f"{self.query!r} is not the name of a query parameter")
        if self.template is not None and not _is_template(self.template):
            raise ValueError("template needs {secret} in it, and one line of ASCII")
        return self

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
    read_domains: tuple[Domain, ...] = ()
    """With GET only, besides the others; ``*`` is every public site."""
    ports: tuple[Port, ...] = tuple(sorted(DEFAULT_PORTS))
    allow_private: tuple[str, ...] = ()
    """Private addresses, networks or domains that may be reached nevertheless."""
    secrets: Mapping[str, ApiSecretTable] = Field(default_factory=dict)

    @field_validator("domains")
    @classmethod
    def _are_named(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        if ANY_DOMAIN in domains:
            raise ValueError("name the domains; read_domains may be '*'")
        return tuple(map(read_domain, domains))

    @field_validator("read_domains")
    @classmethod
    def _are_domains(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(d if d == ANY_DOMAIN else read_domain(d) for d in domains)

    @field_validator("allow_private")
    @classmethod
    def _are_private(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        read_private(entries)
        return entries

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

    def variables(self) -> Iterable[tuple[str, str]]:
        """Return where secrets are named, and the environment variables they name."""
        return [
            (f"tools.api_call.secrets.{name}", secret.env)
            for name, secret in self.secrets.items()
            if _VARIABLE.fullmatch(secret.env)
        ]


class WebSearchTable(Table):
    """Which provider ``web_search`` asks."""

    provider: Literal["serper", "brave", "tavily", "searxng"] | None = None
    """None for the first that has a key or an address, in this order."""


def network_contradictions(table: ApiCallTable) -> list[str]:
    """Say what is wrong with the secrets, without showing what stands in place of a variable.

    Somebody may have written the secret itself there.
    """
    where = "tools.api_call.secrets"
    access = table.access({})
    problems = [
        f"{where}.{name}.env: name the environment variable that holds the secret, in capital "
        "letters, digits and _; never put the secret itself here."
        for name, secret in table.secrets.items()
        if not _VARIABLE.fullmatch(secret.env)
    ]
    problems += [
        f"{where}.{name}: {secret.host} is not in domains: add it."
        for name, secret in table.secrets.items()
        if not (access.domains.holds(secret.host) or access.read_domains.holds(secret.host))
    ]
    return problems


def _may_carry(header: str) -> bool:
    return bool(_HEADER.fullmatch(header)) and header.lower() not in _NOT_BY_HEADER


def _is_template(template: str) -> bool:
    return PLACE in template and template.isascii() and template.isprintable()
