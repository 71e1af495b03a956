"""What servers return, made into results."""

import base64
import json

import pytest

from agent_engine.tools.mcp.results import MAX_SHOWN_CHARS, result_of
from tests.fakes.mcp_town import TOKEN, fake_server
from tests.fakes.tools import tool_context


@pytest.fixture
def made(tmp_path):
    async def make(returned):
        return await result_of(returned, "mcp_s_t", tool_context(tmp_path), server=fake_server())

    return make


def text(words):
    return {"type": "text", "text": words}


def image(data, kind="image/png"):
    return {"type": "image", "data": data, "mimeType": kind}


async def test_texts_are_joined(made):
    assert await made({"content": [text("a"), text("b")]}) == {"success": True, "text": "a\nb"}


async def test_data_stands_beside_a_text_that_says_something_else(made):
    result = await made({"content": [text("two")], "structuredContent": {"n": 2}})
    assert result == {"success": True, "text": "two", "structured": {"n": 2}}


async def test_secrets_are_taken_out_of_texts_errors_data_and_its_keys(made):
    data = {f"k-{TOKEN}": [TOKEN]}
    half = len(TOKEN) // 2
    encoded = base64.b64encode(TOKEN.encode()).decode().rstrip("=")
    link = {"type": "resource_link", "uri": f"https://x.test/?key={TOKEN}", "name": TOKEN}
    parts = [text(f"{TOKEN}! {encoded}"), link]
    result = await made({"content": parts, "structuredContent": data})
    assert result["text"] == "[secret]! [secret]"
    assert result["structured"] == {"k-[secret]": ["[secret]"]}
    assert result["links"] == [{"uri": "https://x.test/?key=[secret]", "name": "[secret]"}]
    failed = await made({"content": [text(f"bad {TOKEN}")], "isError": True})
    assert failed == {"success": False, "error": "bad [secret]"}
    assert TOKEN[half:] not in str(await made({"content": [text("x" + TOKEN)]}))


async def test_a_secret_is_taken_out_of_files(made, tmp_path):
    data = base64.b64encode(b"\x00 " + TOKEN.encode()).decode()
    result = await made({"content": [image(data)]})
    assert (tmp_path / result["files"][0]).read_bytes() == b"\x00 [secret]"


async def test_what_is_too_long_to_be_shown_is_kept_whole_as_a_file(made, tmp_path):
    long = TOKEN + "x" * MAX_SHOWN_CHARS
    result = await made({"content": [text(long)], "structuredContent": {"x": long}})
    assert len(result["text"]) == MAX_SHOWN_CHARS
    assert "structured" not in result
    whole = [(tmp_path / name).read_text() for name in result["files"]]
    assert result["files"] == ["mcp/mcp_s_t-1-whole.json", "mcp/mcp_s_t-1-whole.txt"]
    assert whole[1] == "[secret]" + "x" * MAX_SHOWN_CHARS
    assert json.loads(whole[0]) == {"x": whole[1]}
    assert len(result["notes"]) == 2


async def test_a_failure_without_words_gets_some(made):
    assert (await made({"content": [], "isError": True}))["error"]


@pytest.mark.parametrize(
    ("kind", "ending"),
    [("image/PNG; x=1", "png"), ("../../etc/passwd", "bin"), ("text/html", "bin"), ("", "bin")],
)
async def test_the_kind_a_server_names_chooses_from_known_endings_only(made, kind, ending):
    result = await made({"content": [image(base64.b64encode(b"x").decode(), kind)]})
    assert result["files"] == [f"mcp/mcp_s_t-1-1.{ending}"]


async def test_files_are_bounded_in_number_and_size(made, tmp_path):
    small, large = base64.b64encode(b"x").decode(), "A" * 15_000_000
    result = await made({"content": [image(large), *[image(small)] * 15]})
    assert len(result["files"]) == 9
    assert result["notes"] == [
        "left out: mcp_s_t-1-1.png (too large)",
        "left out: 6 further files",
    ]
    assert len(list((tmp_path / "mcp").iterdir())) == 9


async def test_a_link_in_the_place_of_the_folder_is_not_followed(made, tmp_path):
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (tmp_path / "mcp").symlink_to(outside)
    result = await made({"content": [image(base64.b64encode(b"x").decode())]})
    assert "files" not in result
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [None, 3, ["text"], [{}], [{"type": "resource"}], [{"type": "resource", "resource": {}}]],
)
async def test_content_that_makes_no_sense_is_no_failure_of_ours(made, content):
    assert (await made({"content": content}))["success"]


async def test_content_of_unknown_kinds_is_named(made):
    result = await made({"content": [{"type": "hologram<b>"}]})
    assert result["notes"] == ["left out: content of the type hologram\u2039b\u203a"]
