"""The tables, and nothing that reads or writes them.

Everything is scoped by workspace, channel and agent, directly or through its run. What one process
must tell another is a column here: nothing else connects them.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from storage.columns import Json, UtcTime, Words

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_STATUSES = "('pending', 'running', 'waiting', 'completed', 'error', 'cancelled')"

# -- places and people ---------------------------------------------------------------------------

agents = Table(
    "agents",
    metadata,
    Column("workspace_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("name", Words, nullable=False),
    Column("instructions", Words, nullable=False),
    Column("model", Text),
    Column("planner", Text, nullable=False),
    Column("tools", Json),
    Column("delegates", Json, nullable=False),
    Column("limits", Json, nullable=False),
    Column("follow_ups", Text, nullable=False),
    Column("max_concurrent", Integer, nullable=False),
    Column("icon_emoji", Text),
    Column("allow_guests", Boolean, nullable=False),
    Column("allow_bots", Boolean, nullable=False),
    PrimaryKeyConstraint("workspace_id", "agent_id"),
)

channels = Table(
    "channels",
    metadata,
    Column("workspace_id", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Words, nullable=False),
    Column("is_member", Boolean, nullable=False),
    Column("is_archived", Boolean, nullable=False),
    Column("introduced", Boolean, nullable=False),
    Column("last_seen_ts", Text),
    PrimaryKeyConstraint("workspace_id", "channel_id"),
)

people = Table(
    "people",
    metadata,
    Column("workspace_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("name", Words, nullable=False),
    Column("is_bot", Boolean, nullable=False),
    Column("is_guest", Boolean, nullable=False),
    Column("is_external", Boolean, nullable=False),
    Column("is_admin", Boolean, nullable=False),
    Column("fetched_at", UtcTime, nullable=False),
    PrimaryKeyConstraint("workspace_id", "user_id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("key", Text, primary_key=True),
    Column("received_at", UtcTime, nullable=False, index=True),
)

threads = Table(
    "threads",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("workspace_id", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("thread_ts", Text, nullable=False),
    # Raised by whatever people should see; Slack shows everything up to shown_seq.
    Column("dirty_seq", Integer, nullable=False, server_default="0"),
    Column("shown_seq", Integer, nullable=False, server_default="0"),
    # dirty_seq at the last end of a run: ends are shown first.
    Column("ended_seq", Integer, nullable=False, server_default="0"),
    Column("dirty_at", UtcTime, nullable=False),
    Column("session_status", Text),
    UniqueConstraint("workspace_id", "channel_id", "thread_ts"),
    CheckConstraint("shown_seq <= dirty_seq", name="shown"),
    Index(
        "ix_threads_dirty",
        "dirty_at",
        sqlite_where=text("dirty_seq > shown_seq"),
        postgresql_where=text("dirty_seq > shown_seq"),
    ),
)

# -- tasks and runs ------------------------------------------------------------------------------

tasks = Table(
    "tasks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("thread_id", ForeignKey("threads.id"), unique=True),
    # The own thread, or the nearest ancestor's: where people see what becomes of the task.
    Column("show_thread_id", ForeignKey("threads.id"), index=True),
    Column("parent_id", ForeignKey("tasks.id")),
    Column("description", Words, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("parameters", Json, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("completed_at", UtcTime),
    Column("result", Json),
    CheckConstraint(f"status IN {_STATUSES}", name="status"),
    Index("ix_tasks_recent", "workspace_id", "created_at"),
    Index("ix_tasks_family", "parent_id", "completed_at"),
)

folders_left = Table(
    "folders_left",
    metadata,
    # Task folders of tasks that are deleted: a crash may come before their files are, too.
    Column("workspace_id", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    PrimaryKeyConstraint("task_id", "workspace_id", "channel_id", "agent_id"),
)

dependencies = Table(
    "dependencies",
    metadata,
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    # No foreign key: a task may name one that was never stored, and is ended for it.
    Column("depends_on", Text, nullable=False, index=True),
    PrimaryKeyConstraint("task_id", "position"),
)

messages = Table(
    "messages",
    metadata,
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("text", Words, nullable=False),
    Column("sent_at", UtcTime, nullable=False),
    Column("steers", Boolean, nullable=False),
    Column("files", Json, nullable=False),
    PrimaryKeyConstraint("task_id", "seq"),
    UniqueConstraint("task_id", "message_id"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),  # 1 for the task's first run
    Column("workspace_id", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("show_thread_id", ForeignKey("threads.id"), index=True),
    Column("changed_seq", Integer, nullable=False, server_default="0"),
    Column("requester", Text),
    Column("priority", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    # who works on it
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("worker", Text),
    Column("begun_at", UtcTime),
    Column("has_slot", Boolean, nullable=False, server_default=false()),
    Column("queued", Boolean, nullable=False, server_default=false()),
    # what others told it, and up to where its worker has heard
    Column("inbox_seq", Integer, nullable=False, server_default="0"),
    Column("heard_inbox_seq", Integer, nullable=False, server_default="0"),
    Column("messages_read", Integer, nullable=False, server_default="0"),
    Column("cancel_reason", Words),
    Column("cancel_by", Text),
    # how far it has come
    Column("event_seq", Integer, nullable=False, server_default="0"),
    Column("plan_version", Integer),
    Column("warned_of", Json, nullable=False),
    Column("memories_used", Json, nullable=False),
    Column("limits", Json, nullable=False),
    Column("iterations", Integer, nullable=False, server_default="0"),
    Column("model_calls", Integer, nullable=False, server_default="0"),
    Column("prompt_tokens", Integer, nullable=False, server_default="0"),
    Column("completion_tokens", Integer, nullable=False, server_default="0"),
    Column("usd", Float(53), nullable=False, server_default="0"),
    Column("unpriced_tokens", Integer, nullable=False, server_default="0"),
    Column("seconds", Float(53), nullable=False, server_default="0"),
    Column("replans", Integer, nullable=False, server_default="0"),
    # how it ended
    Column("answer", Json),
    Column("end_reason", Text),
    Column("end_sentence", Words),
    Column("end_limit", Text),
    Column("end_by", Text),
    Column("ended_at", UtcTime),
    UniqueConstraint("task_id", "number"),
    CheckConstraint(f"status IN {_STATUSES}", name="status"),
    CheckConstraint(
        "(end_reason IS NULL) = (status IN ('pending', 'running', 'waiting'))", name="ended"
    ),
    CheckConstraint("NOT has_slot OR status = 'running'", name="slot"),
    CheckConstraint("NOT queued OR status = 'pending'", name="queued"),
    Index("ix_runs_recent", "workspace_id", "created_at"),
    Index(
        "ix_runs_slots",
        "workspace_id",
        sqlite_where=text("has_slot"),
        postgresql_where=text("has_slot"),
    ),
    Index(
        "ix_runs_queue",
        "workspace_id",
        "priority",
        "created_at",
        sqlite_where=text("queued"),
        postgresql_where=text("queued"),
    ),
    Index(
        "ix_runs_unfinished",
        "workspace_id",
        "channel_id",
        "status",
        sqlite_where=text("end_reason IS NULL"),
        postgresql_where=text("end_reason IS NULL"),
    ),
)

plans = Table(
    "plans",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("open_ended", Boolean, nullable=False),
    Column("because", Words, nullable=False),
    Column("planner", Text, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    PrimaryKeyConstraint("run_id", "version"),
)

steps = Table(
    "steps",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("action", Json, nullable=False),
    Column("depends_on", Json, nullable=False),
    Column("parent", Integer),
    Column("depth", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("observation", Json),
    Column("surprise", Words),
    Column("approved", Json),
    PrimaryKeyConstraint("run_id", "number"),
    CheckConstraint(
        "status IN ('pending', 'started', 'waiting', 'done', 'failed', 'dropped', 'stopped')",
        name="status",
    ),
)

outputs = Table(
    "outputs",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("full_output", Json, nullable=False),
    PrimaryKeyConstraint("run_id", "step"),
    ForeignKeyConstraint(["run_id", "step"], ["steps.run_id", "steps.number"], ondelete="CASCADE"),
)

waits = Table(
    "waits",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("wait_id", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("until", UtcTime),
    Column("question", Words, nullable=False),
    Column("choices", Json, nullable=False),
    Column("asked_of", Text),
    Column("sub_task_id", Text, index=True),
    Column("call", Json),
    # Of the call, for what is asked in SQL.
    Column("tool", Text),
    Column("digest", Text),
    Column("value", Words),
    Column("resolved_by", Text),
    Column("resolved_at", UtcTime),
    Column("success", Boolean),
    Column("arguments", Json),
    Column("remark", Words),
    # The step was started since: kept only to say who decided what.
    Column("over", Boolean, nullable=False, server_default=false()),
    PrimaryKeyConstraint("run_id", "wait_id"),
    CheckConstraint("(value IS NULL) = (resolved_at IS NULL)", name="resolved"),
)

events = Table(
    "events",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("step", Integer),
    Column("attempt", Integer),  # only of a started step
    Column("body", Json, nullable=False),
    Column("at", UtcTime, nullable=False),
    PrimaryKeyConstraint("run_id", "seq"),
    # A step is started once per attempt; events of other kinds have no attempt.
    UniqueConstraint("run_id", "step", "attempt"),
)

usage = Table(
    "usage",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    # No foreign key: what a day cost stands when the task is deleted.
    # Null, with channel and agent, for vectors that no run asked for.
    Column("run_id", Text, index=True),
    Column("workspace_id", Text, nullable=False),
    Column("channel_id", Text),
    Column("agent_id", Text),
    Column("requester", Text),
    Column("model", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("usd", Float(53)),
    Column("duration_s", Float(53), nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index("ix_usage_scope", "workspace_id", "at"),
    # What people and channels spent today is asked before each call of a model.
    Index("ix_usage_person", "workspace_id", "requester", "at"),
    Index("ix_usage_channel", "workspace_id", "channel_id", "at"),
)

wakeups = Table(
    "wakeups",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("written_at", UtcTime, nullable=False),
    CheckConstraint("kind IN ('start', 'wake')", name="kind"),
    sqlite_autoincrement=True,
)

slot_lock = Table("slot_lock", metadata, Column("id", Integer, primary_key=True))
"""No rows: PostgreSQL locks it to count slots one transaction at a time."""

# -- what Slack shows, and what people think of it -----------------------------------------------

posts = Table(
    "posts",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, unique=True),
    Column("workspace_id", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("thread_ts", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("run_id", Text, index=True),
    Column("task_id", Text, index=True),
    Column("step", Integer),
    Column("ts", Text),
    Column("body_hash", Text),
    Column("reason", Words),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("workspace_id", "channel_id", "ts"),
    CheckConstraint("state IN ('intended', 'posted', 'abandoned')", name="state"),
    CheckConstraint("(state = 'posted') = (ts IS NOT NULL)", name="posted"),
    Index(
        "ix_posts_unsettled",
        "workspace_id",
        sqlite_where=text("state = 'intended'"),
        postgresql_where=text("state = 'intended'"),
    ),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("workspace_id", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("message_ts", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("step", Integer, nullable=False),  # 0 for the message as a whole
    Column("choice", Text, nullable=False),
    Column("rating", Integer, nullable=False),
    Column("text", Words, nullable=False),
    Column("run_id", Text, index=True),
    Column("task_id", Text, index=True),
    # Whose run it is about: known when the run is deleted, too.
    Column("agent_id", Text),
    Column("seq", Integer, nullable=False),  # the person's newest choice has the highest
    Column("given_at", UtcTime, nullable=False),
    Column("retracted_at", UtcTime),
    UniqueConstraint("workspace_id", "channel_id", "message_ts", "person", "step", "choice"),
    CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
    Index("ix_feedback_recent", "workspace_id", "given_at"),
)

# -- what stands around tool and model calls -----------------------------------------------------

standing_rules = Table(
    "standing_rules",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("tool", Text, nullable=False),
    # Canonical JSON text, so that equal objects are equal in SQL.
    Column("likeness", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("revoked_by", Text),
    Column("revoked_at", UtcTime),
    CheckConstraint("(revoked_by IS NULL) = (revoked_at IS NULL)", name="revoked"),
    Index(
        "uq_standing_rules_holding",
        "workspace_id",
        "channel_id",
        "agent_id",
        "tool",
        "likeness",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
)

reservations = Table(
    "reservations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("epoch", Integer, nullable=False),  # of the worker that reserved; it counts in no other
    Column("workspace_id", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("requester", Text),
    Column("tokens", Integer, nullable=False),
    Column("usd", Float(53), nullable=False),
    Column("at", UtcTime, nullable=False),
    Index("ix_reservations_workspace", "workspace_id", "at"),
)

budget_extensions = Table(
    "budget_extensions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("budget_of", Text, nullable=False),
    Column("of_id", Text, nullable=False),  # a person's, a channel's or the workspace's
    Column("day", Text, nullable=False),  # 2026-11-22, in UTC
    Column("tokens", Integer, nullable=False),
    Column("usd", Float(53), nullable=False),
    Column("by", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    CheckConstraint("budget_of IN ('person', 'channel', 'workspace')", name="budget_of"),
    Index("ix_budget_extensions_day", "workspace_id", "day"),
)

tool_cache = Table(
    "tool_cache",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("workspace_id", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("result", Json, nullable=False),
    Column("size", Integer, nullable=False),
    Column("kept_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    UniqueConstraint("workspace_id", "channel_id", "agent_id", "key"),
    Index("ix_tool_cache_age", "workspace_id", "kept_at"),
)

mcp_pins = Table(
    "mcp_pins",
    metadata,
    # Of no workspace: MCP servers are those of the whole installation.
    Column("server", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("definition", Json, nullable=False),
    Column("first_seen_at", UtcTime, nullable=False),
    Column("accepted_at", UtcTime),
    PrimaryKeyConstraint("server", "tool"),
)

# -- what agents remember ------------------------------------------------------------------------

memory_shelves = Table(
    "memory_shelves",
    metadata,
    # A shelf holds the memories of one kind in one scope. What is searched is always some shelves,
    # so the words and the vectors of memories name theirs (storage/memory/).
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("workspace_id", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # Raised by every change of the shelf's vectors, and by every change but an addition.
    Column("version", Integer, nullable=False, server_default="0"),
    Column("rewritten", Integer, nullable=False, server_default="0"),
    UniqueConstraint("workspace_id", "channel_id", "agent_id", "person", "kind"),
    CheckConstraint("(person = '') = (channel_id <> '' AND agent_id <> '')", name="scope"),
)

MARKED = text("(pinned OR weight <> 1 OR expires_at IS NOT NULL)")
"""What more than a memory's age has a part in its place, or ends it."""

memories = Table(
    "memories",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("shelf_id", ForeignKey("memory_shelves.id"), nullable=False),
    Column("text", Words, nullable=False),
    Column("heading", Words, nullable=False),
    Column("content", Json),
    Column("key", Words),
    Column("trust", Text, nullable=False),
    Column("origin", Json, nullable=False),
    Column("state", Text, nullable=False),
    Column("likeness", Text, nullable=False),  # hash of the words: equal for what says the same
    Column("model", Text),  # whose vector it has
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, index=True),
    # Used or confirmed last; of what is not held, put aside.
    Column("used_at", UtcTime, nullable=False),
    Column("access_count", Integer, nullable=False, server_default="0"),
    Column("pinned", Boolean, nullable=False),
    Column("weight", Float(53), nullable=False, server_default="1"),
    Column("supersedes", Integer, index=True),
    Column("details", Json, nullable=False),
    CheckConstraint("state IN ('held', 'proposed', 'superseded', 'retired')", name="state"),
    Index("ix_memories_likeness", "shelf_id", "likeness"),
    Index("ix_memories_key", "shelf_id", "key"),
    Index("ix_memories_use", "shelf_id", "used_at"),
    Index("ix_memories_model", "model", "state", "id"),
    Index(
        "ix_memories_history",
        "used_at",
        sqlite_where=text("state <> 'held'"),
        postgresql_where=text("state <> 'held'"),
    ),
    Index("ix_memories_marked", "id", sqlite_where=MARKED, postgresql_where=MARKED),
    sqlite_autoincrement=True,
)

memory_origins = Table(
    "memory_origins",
    metadata,
    # What of a memory's origin can be forgotten, and takes the memory along.
    Column("memory_id", ForeignKey("memories.id", ondelete="CASCADE"), nullable=False),
    Column("what", Text, nullable=False),
    Column("ref", Text, nullable=False),
    PrimaryKeyConstraint("memory_id", "what", "ref"),
    CheckConstraint("what IN ('task', 'run', 'person', 'message', 'memory')", name="what"),
    Index("ix_memory_origins_ref", "what", "ref"),
)

personal_memory_uses = Table(
    "personal_memory_uses",
    metadata,
    # Where people let their own memories be used; a channel without a row is not one of them.
    Column("workspace_id", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("use", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "person", "channel_id"),
    CheckConstraint("use IN ('told', 'kept')", name="use"),
)

lessons = Table(
    "lessons",
    metadata,
    # What became of one person's low ratings of one run.
    Column("id", Text, primary_key=True),
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("person", Text, nullable=False),
    # The run that draws the lesson, or did; what it was told, as digests.
    Column("analysis_id", Text, nullable=False, index=True),
    Column("analysed", Json, nullable=False),
    # No foreign key: the memory may be forgotten, and then that is told.
    Column("memory_id", Integer, index=True),
    UniqueConstraint("run_id", "person"),
)

memory_exports = Table(
    "memory_exports",
    metadata,
    # What people asked for as a file and do not have yet.
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("is_begun", Boolean, nullable=False),
)

removals = Table(
    "removals",
    metadata,
    # What is still to be removed: a person's further tasks; elsewhere, our messages in Slack and
    # texts of the audit log.
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("workspace_id", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("noted_at", UtcTime, nullable=False),
    CheckConstraint("what IN ('tasks', 'message', 'audit_texts')", name="what"),
    Index("ix_removals_workspace", "workspace_id", "id"),
    sqlite_autoincrement=True,
)

# -- the audit log -------------------------------------------------------------------------------

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("workspace_id", Text, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("hash", Text, nullable=False),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    # No foreign keys: what the entries are about may be deleted long before them. Triggers in the
    # database itself refuse every UPDATE and DELETE.
    Column("workspace_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("actor", Text),
    Column("run_id", Text),
    Column("step", Integer),
    Column("subject", Text, nullable=False),
    Column("arguments_digest", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("decided_by", Text),
    Column("result", Text, nullable=False),
    Column("usd", Float(53), nullable=False),
    Column("duration_s", Float(53), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("text_hash", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "seq"),
    UniqueConstraint("workspace_id", "key"),
)

audit_texts = Table(
    "audit_texts",
    metadata,
    # The words of an entry, which may be forgotten; the salt goes with them.
    Column("workspace_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("salt", Text, nullable=False),
    Column("text", Text, nullable=False),
    PrimaryKeyConstraint("workspace_id", "seq"),
)

audit_outbox = Table(
    "audit_outbox",
    metadata,
    # Entries written together with what they tell of, on their way into the chain.
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("entry", Json, nullable=False),
    sqlite_autoincrement=True,
)
