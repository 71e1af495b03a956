"""What is run by the driver alone does what SQLAlchemy's own execution does."""

import pytest
import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from agent_engine.errors import StorageError
from storage import tables
from storage.compiled import execute, execute_many, fetch_all, fetch_one, fetch_values
from storage.database import Database, open_database
from tests.contract.house import MORNING
from tests.contract.postgres import PostgresServer

INSERT = sa.insert(tables.deliveries)
BY_KEY = sa.select(tables.deliveries).where(tables.deliveries.c.key == bindparam("wanted"))
ALL_KEYS = sa.select(tables.deliveries.c.key).order_by(tables.deliveries.c.key)
DELETE = sa.delete(tables.deliveries).returning(tables.deliveries.c.key.label("gone"))


async def test_a_row_is_what_sqlalchemy_finds(database: Database) -> None:
    values = {
        "workspace_id": "T1",
        "agent_id": "A1",
        "name": "Zoë\x00\ud800",
        "instructions": "",
        "model": None,
        "planner": "llm",
        "tools": None,
        "delegates": ["é", "\ud800"],
        "limits": {"usd": 0.5},
        "follow_ups": "always",
        "max_concurrent": 3,
        "icon_emoji": None,
        "allow_guests": True,
        "allow_bots": False,
    }
    query = sa.select(tables.agents)

    def work(connection: Connection) -> tuple[object, object]:
        execute(connection, sa.insert(tables.agents), values)
        [found] = fetch_all(connection, query, {})
        return found, connection.execute(query).one()

    found, expected = await database.write(work)
    assert tuple(found) == tuple(expected)
    assert found.allow_guests is True
    assert found.limits == {"usd": 0.5}


async def test_times_come_back_aware(database: Database) -> None:
    def work(connection: Connection) -> object:
        execute(connection, INSERT, {"key": "k", "received_at": MORNING})
        return fetch_one(connection, BY_KEY, {"wanted": "k"})

    found = await database.write(work)
    assert found.received_at == MORNING


async def test_many_rows_are_written_at_once(database: Database) -> None:
    rows = [{"key": key, "received_at": MORNING} for key in "abc"]

    def work(connection: Connection) -> list[object]:
        execute_many(connection, INSERT, [])
        execute_many(connection, INSERT, rows[:1])
        execute_many(connection, INSERT, rows[1:])
        return fetch_values(connection, ALL_KEYS, {})

    assert await database.write(work) == ["a", "b", "c"]


async def test_what_a_statement_returns_has_its_names(database: Database) -> None:
    def work(connection: Connection) -> list[object]:
        execute(connection, INSERT, {"key": "k", "received_at": MORNING})
        return [row.gone for row in fetch_all(connection, DELETE, {})]

    assert await database.write(work) == ["k"]
    assert await database.read(lambda c: fetch_one(c, BY_KEY, {"wanted": "k"})) is None


@pytest.mark.parametrize("run", [execute_many, lambda c, s, rows: execute(c, s, rows[0])])
async def test_a_broken_constraint_is_sqlalchemys_error(database: Database, run) -> None:
    rows = [{"key": key, "received_at": MORNING} for key in "ab"]
    await database.write(lambda c: execute_many(c, INSERT, rows))

    def work(connection: Connection) -> None:
        with pytest.raises(sa.exc.IntegrityError) as caught:
            run(connection, INSERT, rows)
        assert not caught.value.connection_invalidated
        raise caught.value

    with pytest.raises(StorageError):
        await database.write(work)


async def test_a_missing_value_is_an_error(database: Database) -> None:
    with pytest.raises(KeyError, match="wanted"):
        await database.read(lambda c: fetch_one(c, BY_KEY, {}))


async def test_a_time_without_a_type_is_refused_for_drivers_write_those_in_their_own_ways(
    database: Database,
) -> None:
    chosen = sa.case((tables.deliveries.c.key == "a", bindparam("now")))
    update = sa.update(tables.deliveries).values(received_at=chosen)
    with pytest.raises(TypeError, match="with a type"):
        await database.write(lambda c: execute(c, update, {"now": MORNING}))


async def test_a_list_of_values_is_refused(database: Database) -> None:
    listed = sa.select(tables.deliveries).where(tables.deliveries.c.key.in_(["a"]))
    with pytest.raises(ValueError, match="list of values"):
        await database.read(lambda c: fetch_all(c, listed, {}))


async def test_a_lost_connection_is_given_up_and_the_work_done_again(
    postgres: PostgresServer, postgres_name: str
) -> None:
    tries: list[bool] = []
    async with open_database(postgres.address(postgres_name)) as database:

        def work(connection: Connection) -> list[object]:
            tries.append(True)
            if len(tries) == 1:
                postgres.cut_off(postgres_name)
            return fetch_values(connection, ALL_KEYS, {})

        assert await database.write(work) == []
    assert len(tries) == 2
