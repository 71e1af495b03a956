"""Rules, records and caches in memory, for tests of the call path."""

from agent_engine.clock import SystemClock
from agent_engine.errors import StorageError
from agent_engine.safeguards import StandingRule
from agent_engine.tools.audit import Auditor
from agent_engine.tools.call import Guards, ToolCaller
from agent_engine.tools.policy import ToolPolicy


class Ledger:
    """An audit log that a test can read."""

    def __init__(self):
        self.entries = []
        self.is_down = False

    async def append(self, entry):
        if self.is_down:
            raise StorageError
        if all(known.key != entry.key for known in self.entries):
            self.entries.append(entry)

    @property
    def told(self):
        return [(e.subject, e.decision, e.result) for e in self.entries]


class RememberedApprovals:
    """What people allowed, as the test says."""

    def __init__(self, *rules: StandingRule, tools=()):
        self.standing = list(rules)
        self.tools = set(tools)
        self.asked = 0

    async def standing_rule(self, scope, tool, like):
        self.asked += 1
        fitting = (r for r in self.standing if (r.scope, r.tool, r.like) == (scope, tool, like))
        return next(fitting, None)

    async def was_approved(self, _task_id, tool, *, requester):
        del requester
        self.asked += 1
        return tool in self.tools

    async def rules(self, _workspace_id, *, channel_id):
        del channel_id
        return self.standing


class DictCache:
    """A cache that never forgets."""

    def __init__(self):
        self.kept = {}

    async def find(self, scope, key):
        return self.kept.get((scope, key))

    async def keep(self, scope, key, result, *, ttl_s):
        assert ttl_s > 0
        self.kept[(scope, key)] = result


def guarded(tools, *rules, ledger=None, approvals=None, redact=str, **options):
    guards = Guards(
        policy=ToolPolicy(rules, admins=["UADMIN"]),
        approvals=approvals or RememberedApprovals(),
        audit=Auditor(ledger or Ledger(), redact),
    )
    return ToolCaller(tools, SystemClock(), guards=guards, redact=redact, **options)
