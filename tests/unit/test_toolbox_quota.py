"""How much a task may keep in files: what is said to the model is what is held."""

import sys

from aiohttp import web

from agent_engine.tools.quota import MIB
from bot.toolbox import make_tools, open_toolbox
from tests.fakes.mcp_town import SCRIPT
from tests.fakes.tools import tool_context
from tests.fakes.web import serving
from tests.unit.test_toolbox import settings_with

TWO_MIB = "[tools.task_folder]\nmib = 1\n[files]\nmax_mb = 1\ntask_mb = 1\n"
FULL = "the task folder may hold 2 MiB and would hold 3 MiB"


def descriptions(tmp_path, text=""):
    return {tool.name: tool.description for tool in make_tools(settings_with(tmp_path, text))}


def full_folder(tmp_path):
    folder = tmp_path / "task"
    folder.mkdir()
    (folder / "old").write_bytes(bytes(3 * MIB))
    return tool_context(folder)


def test_what_people_attach_is_added_to_what_an_agent_may_keep(tmp_path):
    said = descriptions(tmp_path)["file_operations"]

    # 128 MiB and 2,000 files of the agent's, 200 MB and 50 files of people's.
    assert "the folder may hold 318.7 MiB and 2050 files and folders" in said


def test_a_program_is_given_all_that_a_task_folder_may_hold_by_default(tmp_path):
    assert "of which at most 318.7 MiB are given" in descriptions(tmp_path)["code_execution"]


def test_a_larger_task_folder_does_not_become_larger_programs(tmp_path):
    text = "[tools.task_folder]\nmib = 1000\n[files]\ntask_mb = 1000\n"

    said = descriptions(tmp_path, text)

    assert "of which at most 320 MiB are given" in said["code_execution"]
    assert "the folder may hold 1953.7 MiB and 2050 files" in said["file_operations"]


async def test_what_apis_send_counts_in_the_same_quota(tmp_path):
    async def answer(_request):
        return web.Response(body=bytes(100), content_type="image/png")

    async with serving(answer) as port:
        place = f"""
            [tools.api_call]
            domains = ["127.0.0.1"]
            ports = [{port}]
            allow_private = ["127.0.0.1"]
        """
        async with open_toolbox(settings_with(tmp_path, TWO_MIB + place)) as toolbox:
            arguments = {"url": f"http://127.0.0.1:{port}/x.png"}
            seen = await toolbox.caller.call("api_call", arguments, full_folder(tmp_path))
    assert FULL in (seen.error or "")


async def test_files_of_mcp_servers_count_in_the_same_quota(tmp_path):
    server = f"""
        [[tools.rules]]
        tool = "*"
        ask = "never"
        [[mcp_servers]]
        name = "fake"
        command = "{sys.executable}"
        args = ["{SCRIPT}"]
        for_every_agent = true
    """
    async with (
        open_toolbox(settings_with(tmp_path, TWO_MIB + server)) as toolbox,
        toolbox.mcp.running(),
    ):
        seen = await toolbox.caller.call("mcp_fake_picture", {}, full_folder(tmp_path))
    assert seen.files == ()
    assert FULL in seen.content["notes"][0]
