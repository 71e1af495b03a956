"""Slack's own smaller versions of pictures: by the same rights as the pictures, kept once."""

from dataclasses import replace

import pytest

from agent_engine.types import ChannelId
from bot.errors import SlackRefusedError, SlackUnavailableError
from bot.inbound.attachments import FileCaps, SlackAttachments
from bot.outbound.downloads import DownloadError, NoFile
from bot.task_files import TaskFolders
from tests.fakes.snapshots import a_run

CAPS = FileCaps(file=1_000, task=2_000)
HERE = "C1"
VERSIONS = {"channels": [HERE], "thumb_1024": "1024", "thumb_720": "720", "thumb_360": "360"}


class Slack:
    """Says this of every file; of some addresses it has the content, of others trouble."""

    def __init__(self, said, **contents):
        self.said = said
        self.contents = contents
        self.asked = []

    async def file_info(self, _file_id):
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    async def download(self, source, file):
        self.asked.append((source.url, source.max_bytes))
        found = self.contents[f"at{source.url}"]
        if isinstance(found, NoFile):
            file.write(b"half")
            raise DownloadError(found)
        file.write(found)
        file.flush()
        return len(found)


@pytest.fixture
def smaller(tmp_path):
    run = a_run()
    run = replace(run, scope=replace(run.scope, channel_id=ChannelId(HERE)))

    async def no_pause(_seconds):
        return

    async def fetch(slack):
        attachments = SlackAttachments(slack, TaskFolders(tmp_path), CAPS, sleep=no_pause)
        return await attachments.smaller(run, "F1", max_bytes=5)

    fetch.files = lambda: [path for path in tmp_path.rglob("*") if path.is_file()]
    return fetch


async def test_the_largest_that_fits_is_taken(smaller):
    slack = Slack(VERSIONS, at1024=NoFile.TOO_LARGE, at720=b"720")
    assert await smaller(slack) == b"720"
    assert slack.asked == [("1024", 5), ("720", 5)]


async def test_it_is_read_once(smaller):
    assert await smaller(Slack(VERSIONS, at1024=b"1024")) == b"1024"
    again = Slack(SlackUnavailableError("Slack does not answer."))
    assert await smaller(again) == b"1024"
    assert again.asked == []


@pytest.mark.parametrize(
    "said",
    [
        {"channels": [HERE]},
        {**VERSIONS, "channels": ["CELSEWHERE"]},
        {**VERSIONS, "channels": []},
        {**VERSIONS, "mode": "tombstone"},
        SlackRefusedError("missing_scope"),
        SlackUnavailableError("Slack does not answer."),
    ],
)
async def test_where_it_may_not_be_had_there_is_none(smaller, said):
    slack = Slack(said)
    assert await smaller(slack) is None
    assert slack.asked == []


@pytest.mark.parametrize("trouble", [NoFile.LOGIN_PAGE, NoFile.ELSEWHERE, NoFile.UNAVAILABLE])
async def test_trouble_with_it_is_no_trouble(smaller, trouble):
    assert await smaller(Slack(VERSIONS, at1024=trouble)) is None
    assert smaller.files() == []


async def test_none_of_all_that_are_too_large_is_taken(smaller):
    large = dict.fromkeys(["at1024", "at720", "at360"], NoFile.TOO_LARGE)
    assert await smaller(Slack(VERSIONS, **large)) is None
    assert smaller.files() == []


async def test_without_a_token_there_is_none(smaller):
    assert await smaller(None) is None
