from pathlib import Path

import pytest

from agent_engine.redaction import Redaction
from agent_engine.tools.audit import MAX_ARGUMENT_CHARS, Auditor, Called
from tests.fakes.safeguards import Ledger
from tests.fakes.tools import tool_context

SECRET = "hunter2-hunter2-hunter2"  # noqa: S105 - made up


@pytest.mark.parametrize("size", [4 * MAX_ARGUMENT_CHARS, 60 * MAX_ARGUMENT_CHARS])
async def test_no_half_of_a_secret_is_on_record_wherever_long_arguments_are_cut(
    tmp_path: Path, size: int
):
    ledger = Ledger()
    auditor = Auditor(ledger, Redaction([SECRET]).redact)
    arguments = {"content": SECRET * (size // len(SECRET))}
    await auditor.unknown(
        Called(name="file_operations", arguments=arguments, context=tool_context(tmp_path))
    )
    [entry] = ledger.entries
    assert len(entry.text) <= MAX_ARGUMENT_CHARS
    assert "characters left out" in entry.text
    left = entry.text.replace("[secret]", "")
    assert "unter" not in left
    assert "er2-" not in left
