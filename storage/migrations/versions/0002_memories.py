"""Memories, with their words and vectors in what each database has for searching them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of memories and of their search."""
    _create_shelves()
    _create_memories()
    _index_memories()
    _create_origins()
    _create_personal_uses()
    _create_lessons()
    _create_exports()
    _create_removals()
    for statement in _searched_on_sqlite() if _on_sqlite() else _searched_on_postgres():
        op.execute(statement)


def _create_shelves() -> None:
    op.create_table(
        "memory_shelves",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rewritten", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "(person = '') = (channel_id <> '' AND agent_id <> '')",
            name=op.f("ck_memory_shelves_scope"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memory_shelves")),
        sa.UniqueConstraint(
            "workspace_id",
            "channel_id",
            "agent_id",
            "person",
            "kind",
            name=op.f("uq_memory_shelves_workspace_id_channel_id_agent_id_person_kind"),
        ),
    )


def _create_memories() -> None:
    op.create_table(
        "memories",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("shelf_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("likeness", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("access_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("weight", sa.Float(precision=53), server_default="1", nullable=False),
        sa.Column("supersedes", sa.Integer(), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('held', 'proposed', 'superseded', 'retired')",
            name=op.f("ck_memories_state"),
        ),
        sa.ForeignKeyConstraint(
            ["shelf_id"], ["memory_shelves.id"], name=op.f("fk_memories_shelf_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memories")),
        sqlite_autoincrement=True,
    )


def _index_memories() -> None:
    op.create_index("ix_memories_key", "memories", ["shelf_id", "key"])
    op.create_index("ix_memories_likeness", "memories", ["shelf_id", "likeness"])
    op.create_index("ix_memories_model", "memories", ["model", "state", "id"])
    op.create_index("ix_memories_use", "memories", ["shelf_id", "used_at"])
    op.create_index(
        "ix_memories_history",
        "memories",
        ["used_at"],
        sqlite_where=sa.text("state <> 'held'"),
        postgresql_where=sa.text("state <> 'held'"),
    )
    op.create_index(
        "ix_memories_marked",
        "memories",
        ["id"],
        sqlite_where=sa.text("(pinned OR weight <> 1 OR expires_at IS NOT NULL)"),
        postgresql_where=sa.text("(pinned OR weight <> 1 OR expires_at IS NOT NULL)"),
    )
    op.create_index(op.f("ix_memories_expires_at"), "memories", ["expires_at"])
    op.create_index(op.f("ix_memories_supersedes"), "memories", ["supersedes"])


def _create_origins() -> None:
    op.create_table(
        "memory_origins",
        sa.Column("memory_id", sa.Integer(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "what IN ('task', 'run', 'person', 'message', 'memory')",
            name=op.f("ck_memory_origins_what"),
        ),
        sa.ForeignKeyConstraint(
            ["memory_id"],
            ["memories.id"],
            name=op.f("fk_memory_origins_memory_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("memory_id", "what", "ref", name=op.f("pk_memory_origins")),
    )
    op.create_index("ix_memory_origins_ref", "memory_origins", ["what", "ref"])


def _create_personal_uses() -> None:
    op.create_table(
        "personal_memory_uses",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("use", sa.Text(), nullable=False),
        sa.CheckConstraint("use IN ('told', 'kept')", name=op.f("ck_personal_memory_uses_use")),
        sa.PrimaryKeyConstraint(
            "workspace_id", "person", "channel_id", name=op.f("pk_personal_memory_uses")
        ),
    )


def _create_lessons() -> None:
    op.create_table(
        "lessons",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("analysis_id", sa.Text(), nullable=False),
        sa.Column("analysed", sa.Text(), nullable=False),
        sa.Column("memory_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_lessons_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lessons")),
        sa.UniqueConstraint("run_id", "person", name=op.f("uq_lessons_run_id_person")),
    )
    op.create_index(op.f("ix_lessons_analysis_id"), "lessons", ["analysis_id"])
    op.create_index(op.f("ix_lessons_memory_id"), "lessons", ["memory_id"])


def _create_exports() -> None:
    op.create_table(
        "memory_exports",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_begun", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memory_exports")),
    )


def _create_removals() -> None:
    op.create_table(
        "removals",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "what IN ('tasks', 'message', 'audit_texts')", name=op.f("ck_removals_what")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_removals")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_removals_workspace", "removals", ["workspace_id", "id"])


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


_VECTORS = """
    CREATE TABLE memory_vectors (
        memory_id INTEGER PRIMARY KEY REFERENCES memories (id) ON DELETE CASCADE,
        shelf_id INTEGER NOT NULL,
        model TEXT NOT NULL,
        created_at DOUBLE PRECISION NOT NULL,
        vector {column} NOT NULL
    )
"""
_VECTORS_OF_SHELF = (
    "CREATE INDEX ix_memory_vectors_shelf ON memory_vectors (shelf_id, model, memory_id)"
)
_WORDS = """
    CREATE TABLE memory_words (
        memory_id INTEGER PRIMARY KEY REFERENCES memories (id) ON DELETE CASCADE,
        shelf_id INTEGER NOT NULL,
        words TSVECTOR NOT NULL
    )
"""


def _searched_on_sqlite() -> list[str]:
    # The words name their shelf (storage/memory/words.py), so no other column is needed.
    words = "CREATE VIRTUAL TABLE memory_words USING fts5(words, tokenize = 'porter unicode61')"
    # Housekeeping merges what the words are written in (fts5_words.py), even two pieces.
    merged = "INSERT INTO memory_words (memory_words, rank) VALUES ('usermerge', 2)"
    return [words, merged, _VECTORS.format(column="BLOB"), _VECTORS_OF_SHELF]


def _searched_on_postgres() -> list[str]:
    return [
        _WORDS,
        "CREATE INDEX ix_memory_words_words ON memory_words USING gin (words)",
        "CREATE INDEX ix_memory_words_shelf ON memory_words (shelf_id)",
        _VECTORS.format(column="vector" if _has_pgvector() else "bytea"),
        _VECTORS_OF_SHELF,
    ]


def _has_pgvector() -> bool:
    """Create the extension where the server has it and we may; say whether it is there."""
    connection = op.get_bind()
    try:
        with connection.begin_nested():
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS vector"))
    except sa.exc.DBAPIError:
        return False  # vectors are compared by the bot itself then, and the doctor says so
    return True
