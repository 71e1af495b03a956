"""Which language models an installation has, and on which servers: configured, listed or found.

Part of the composition root. Asks servers for names and sizes; it makes no client and asks no model
anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from agent_engine.errors import ModelError, ModelUnavailableError
from agent_engine.models.detect import (
    ListedModel,
    find_local_model,
    is_local,
    list_chat_models,
    parameters_in,
    shown_url,
)
from bot.settings import Settings
from bot.tables.models import ModelTable

OPENAI_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "gpt-5-mini"
"""Used with OpenAI's own server when no model is named."""
SMALL_PARAMETERS = 1e9
"""A model with fewer is planned for by the planner for small models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlace:
    """One language model and the server that has it."""

    name: str
    """What agents and accounts call it."""
    model: str
    """Its name on the server; empty while only the server knows it."""
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float | None = None
    small: bool | None = None
    """Whether it is too small for the usual planners; None when its size is not known."""
    vision: bool | None = None
    """Whether it can see images; None when that is to be tried."""

    @property
    def is_local(self) -> bool:
        """Whether the model is served on this machine."""
        return is_local(self.base_url)

    @property
    def description(self) -> str:
        """One line for people."""
        called = f" (called {self.name})" if self.name not in ("", self.model) else ""
        return f"{self.model or 'a model'}{called} at {shown_url(self.base_url)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where this installation's language models are."""

    base_url: str | None
    """The installation's own server. None: none was configured or found; the offline model."""
    api_key: str | None = field(default=None, repr=False)
    model: str
    """The preferred model; empty while only a server that does not answer knows it."""
    found: str = ""
    """Which local server was found by itself; empty when the model was configured."""
    further: tuple[str, ...] = ()
    """What is asked while the preferred model is unavailable, in order."""
    named: Mapping[str, ModelPlace] = field(default_factory=dict)
    """The models of the configuration file."""
    small: bool | None = None
    """Whether the installation's own server is known to have a small model, or not."""
    remark: str = ""
    """What people should know about how the model was chosen."""
    is_guess: bool = False
    """Whether the model was taken because its server lists it before others."""
    is_down: bool = False
    """Whether the server that had to be asked did not answer."""

    @property
    def is_offline(self) -> bool:
        """Whether there is no language model."""
        return self.base_url is None

    @property
    def is_unknown(self) -> bool:
        """Whether it is only known once the server is asked again."""
        return self.is_down or not self.model

    @property
    def description(self) -> str:
        """One line for people."""
        if self.is_offline:
            return "no language model: the offline model is used"
        first, *others = (place.description for place in self.places())
        how = f"found on this machine ({self.found})" if self.found else "configured"
        behind = f", then {', then '.join(others)}" if others else ""
        return f"{first}{behind}, {self.remark or how}"

    def places(self, wanted: Sequence[str] = ()) -> tuple[ModelPlace, ...]:
        """Return the models of these names, or the installation's, in order of preference."""
        names = wanted or (self.model, *self.further)
        return tuple(self.named.get(name) or self._here(name) for name in names)

    def _here(self, name: str) -> ModelPlace:
        """Return a model of the installation's own server, which knows it by this name."""
        size = parameters_in(name)
        small = self.small if size is None else size < SMALL_PARAMETERS
        return ModelPlace(
            name=name,
            model=name,
            base_url=self.base_url or OPENAI_URL,
            api_key=self.api_key,
            small=small,
        )


async def find_model(settings: Settings) -> ModelSource:
    """Say which models to use: configured ones, else one on this machine, else none.

    Never fails: a server that is down, or has nothing to offer, is told in the remark.
    """
    base_url, key = _own_server(settings)
    preferred = settings.models or tuple(_chat_tables(settings))[:1]
    found = None if base_url else await find_local_model()
    if base_url is None and found is None:
        return ModelSource(base_url=None, model="offline")
    base_url = base_url or (found.base_url if found else None)
    source = ModelSource(
        base_url=base_url,
        api_key=key,
        model=preferred[0] if preferred else found.model if found else "",
        found=found.server if found else "",
        further=preferred[1:],
        named=_named(settings, base_url or OPENAI_URL, key),
        small=_is_small(found.parameters) if found and not preferred else None,
    )
    return await _looked_up(source)


def embedding_place(settings: Settings, source: ModelSource) -> ModelPlace | None:
    """Return the model that ``TREADLE_EMBEDDING_MODEL`` names; None when its server is not known.

    A name that is not in the file is taken for a model of the installation's own server.
    """
    name = settings.embedding_model or ""
    table = settings.file.models.get(name, ModelTable(model=name))
    own_url = source.base_url or table.base_url
    if own_url is None:
        return None
    return _place(settings, name, table, (own_url, source.api_key))


def _own_server(settings: Settings) -> tuple[str | None, str | None]:
    """Return address and key of the installation's own server; no address where there is none.

    Where only the file speaks of models, it is the server of the first.
    """
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    if key or settings.openai_base_url:
        return settings.openai_base_url or OPENAI_URL, key
    for table in _chat_tables(settings).values():
        return table.base_url or OPENAI_URL, _key_of(settings, table)
    return None, None


def _chat_tables(settings: Settings) -> Mapping[str, ModelTable]:
    """Return the file's models without the one for embeddings, which answers nobody."""
    tables = settings.file.models.items()
    return {name: table for name, table in tables if name != settings.embedding_model}


def _named(settings: Settings, own_url: str, own_key: str | None) -> dict[str, ModelPlace]:
    """Return the file's language models."""
    tables = _chat_tables(settings).items()
    return {n: _place(settings, n, table, (own_url, own_key)) for n, table in tables}


def _place(
    settings: Settings, name: str, table: ModelTable, own: tuple[str, str | None]
) -> ModelPlace:
    """Return a model of the file; the installation's key goes to no other server than its own."""
    own_url, own_key = own
    model = table.model or name
    keyless = None if table.base_url else own_key
    return ModelPlace(
        name=name,
        model=model,
        base_url=table.base_url or own_url,
        api_key=_key_of(settings, table) or keyless,
        timeout_s=table.timeout_s,
        small=_is_small(parameters_in(model)) if table.small is None else table.small,
        vision=table.vision,
    )


def _key_of(settings: Settings, table: ModelTable) -> str | None:
    key = settings.variables.get(table.api_key_env or "")
    return key.get_secret_value() if key else None


def _is_small(parameters: float | None) -> bool | None:
    return None if parameters is None else parameters < SMALL_PARAMETERS


async def _looked_up(source: ModelSource) -> ModelSource:
    """Ask the server for the model's name where nobody says it, and for its size where it helps."""
    if source.base_url is None:
        return source
    if not source.model and urlsplit(source.base_url).hostname == urlsplit(OPENAI_URL).hostname:
        return replace(source, model=DEFAULT_MODEL)
    first = source.places()[0]
    if source.model and (first.small is not None or not first.is_local):
        return source
    try:
        listed = await list_chat_models(first.base_url, api_key=first.api_key)
    except ModelUnavailableError as error:
        remark = f"but {error.message}: it is asked again until it answers"
        return replace(source, remark=remark, is_down=True)
    except ModelError as error:
        return source if source.model else replace(source, remark=f"but {error.message}")
    if not source.model:
        return _chosen(source, listed)
    return _with_size(source, first, listed)


def _with_size(
    source: ModelSource, first: ModelPlace, listed: Sequence[ListedModel]
) -> ModelSource:
    """Note the size of the preferred model; a server with one model has it under any name."""
    same = [m for m in listed if m.name == first.model] or listed[: 1 if len(listed) == 1 else 0]
    small = _is_small(same[0].parameters) if same else None
    if first.name in source.named:
        known = {**source.named, first.name: replace(first, small=small)}
        return replace(source, named=known)
    return replace(source, small=small)


def _chosen(source: ModelSource, listed: Sequence[ListedModel]) -> ModelSource:
    several = len(listed) > 1
    return replace(
        source,
        model=listed[0].name,
        small=_is_small(listed[0].parameters),
        remark=f"the first of {len(listed)} chat models that the server lists"
        if several
        else "the only chat model that the server lists",
        is_guess=several,
    )
