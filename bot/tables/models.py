"""``[models.<name>]`` and ``[prices.<name>]``: language models, their servers and what they cost.

A key is never in the file: the table names the variable that holds it.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field
from typing_extensions import override

from bot.tables.table import (
    VARIABLE_NAME,
    Amount,
    Names,
    Table,
    Variable,
    dotted,
    is_web_address,
)


class PriceTable(Table):
    """US dollars per million tokens."""

    prompt_usd: Amount
    completion_usd: Amount


class ModelTable(Table):
    """One language model, under the name by which agents and ``TREADLE_MODEL`` speak of it."""

    model: str | None = None
    """Its name on its server; the same as the table's where nothing is said."""
    base_url: str | None = None
    """Its server; the installation's own where nothing is said."""
    api_key_env: str | None = None
    """The environment variable that holds the key of that server: never the key itself."""
    timeout_s: Annotated[float, Field(gt=0.0, le=3_600.0)] | None = None
    """How long one call may take."""
    price: PriceTable | None = None
    small: bool | None = None
    """Whether it needs the planner for small models; told by its size where nothing is said."""
    vision: bool | None = None
    """Whether it can see images; tried, and a refusal remembered, where nothing is said."""

    @override
    def problems(self, where: str, names: Names) -> Iterator[str]:
        if self.base_url is not None and not is_web_address(self.base_url):
            yield f'{where}.base_url: start it with "https://" or "http://"'
        # What stands there may be a key, so it is never repeated.
        if self.api_key_env is not None and not VARIABLE_NAME.fullmatch(self.api_key_env):
            yield (
                f"{where}.api_key_env: give the name of an environment variable in capital "
                "letters, such as MY_SERVER_KEY, and put the key into that variable"
            )

    @override
    def variables(self, where: str) -> Iterator[Variable]:
        # What is no name of a variable may be a key: ``problems`` complains without showing it.
        if self.api_key_env and VARIABLE_NAME.fullmatch(self.api_key_env):
            missing = (
                f"{where} takes its key from {self.api_key_env}, which is not set: set it, or "
                "leave api_key_env out for a server that wants no key"
            )
            yield Variable(name=self.api_key_env, missing=missing)


def problems_of_names(
    models: Mapping[str, ModelTable], prices: Mapping[str, PriceTable]
) -> Iterator[str]:
    """Say which names cannot be used, and which models have two prices."""
    for name, table in models.items():
        where = dotted(("models", name))
        if not name.strip() or "," in name:
            yield f"{where}: a model's name may not be empty or hold a comma"
        if table.price is not None and name in prices:
            yield f"{where} has a price here and in {dotted(('prices', name))}: keep one"
