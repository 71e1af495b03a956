"""How much a task may keep in files: what is said to the model is what is held."""

from bot.settings import Purpose, read_settings
from bot.toolbox import make_tools


def descriptions(tmp_path, text=""):
    (tmp_path / "treadle.toml").write_text(text)
    settings = read_settings(Purpose.TERMINAL, environment={}, folder=tmp_path)
    return {tool.name: tool.description for tool in make_tools(settings)}


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
