from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.settings import LogLevel, Purpose, Settings, SettingsError, Transport, read_settings

SOCKET = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}


def read(
    tmp_path: Path, environment: Mapping[str, str], purpose: Purpose = Purpose.RUN
) -> Settings:
    return read_settings(purpose, environment=environment, folder=tmp_path)


def problems(tmp_path: Path, environment: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, environment)
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    return list(caught.value.problems)


def test_two_tokens_are_enough_to_run(tmp_path):
    settings = read(tmp_path, SOCKET)
    assert settings.transport is Transport.SOCKET
    assert settings.slack_api_url == "https://slack.com/api/"
    assert settings.talks_to_slack_itself
    assert settings.home == Path(".treadle")
    assert settings.database_url.startswith("sqlite:////")
    assert settings.database_url.endswith("/.treadle/treadle.db")


def test_a_signing_secret_instead_of_an_app_token_means_http(tmp_path):
    settings = read(tmp_path, {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s"})
    assert settings.transport is Transport.HTTP


def test_all_problems_are_listed_at_once_each_with_its_fix(tmp_path):
    (tmp_path / "treadle.toml").write_text('[agent]\nplaner = "llm"\n')
    found = problems(
        tmp_path,
        {
            "SLACK_APP_TOKEN": "xoxb-wrong-kind",
            "SLACK_API_URL": "slack.com",
            "TREADLE_HTTP_PORT": "http",
            "TREADLE_LOG_LEVEL": "loud",
            "TREADLE_MODLE": "gpt",
            "TREADLE_DATABASE_URL": "mysql://x",
        },
    )
    for part in (
        "SLACK_BOT_TOKEN is missing: copy",
        "SLACK_APP_TOKEN does not start with xapp-: make an app-level token",
        'SLACK_API_URL: give an address that starts with "https://"',
        "TREADLE_HTTP_PORT: give a port number",
        "TREADLE_LOG_LEVEL: use DEBUG",
        "TREADLE_MODLE is not a setting: did you mean TREADLE_MODEL?",
        "TREADLE_DATABASE_URL: give sqlite",
        "agent.planer is not a setting: did you mean planner?",
    ):
        assert any(part in problem for problem in found), part
    assert len(found) == 8


def test_the_terminal_and_workers_need_no_slack(tmp_path):
    assert read(tmp_path, {}, Purpose.TERMINAL).slack_bot_token is None
    assert read(tmp_path, {}, Purpose.WORKER).slack_bot_token is None


def test_an_empty_variable_counts_as_missing(tmp_path):
    found = problems(tmp_path, {"SLACK_BOT_TOKEN": " ", "SLACK_APP_TOKEN": "xapp-1"})
    assert found[0].startswith("SLACK_BOT_TOKEN is missing")
    assert len(found) == 1


def test_secrets_are_not_shown(tmp_path):
    settings = read(
        tmp_path, {**SOCKET, "OPENAI_API_KEY": "sk-secret", "SLACK_SIGNING_SECRET": "hush"}
    )
    shown = repr(settings) + str(settings)
    assert not any(secret in shown for secret in ("xoxb-1", "xapp-1", "sk-secret", "hush"))


def test_a_wrong_value_is_not_repeated_in_the_problem_of_a_token(tmp_path):
    found = problems(tmp_path, {"SLACK_BOT_TOKEN": "oops-secret", "SLACK_APP_TOKEN": "xapp-1"})
    assert "oops-secret" not in "".join(found)


def test_settings_do_not_change_once_read(tmp_path):
    settings = read(tmp_path, SOCKET)
    with pytest.raises(Exception, match="frozen"):
        settings.model = "other"  # type: ignore[misc]


def test_a_level_may_be_written_in_small_letters(tmp_path):
    assert read(tmp_path, {**SOCKET, "TREADLE_LOG_LEVEL": "debug"}).log_level is LogLevel.DEBUG


def test_a_named_configuration_that_is_missing_is_a_problem(tmp_path):
    found = problems(tmp_path, {**SOCKET, "TREADLE_CONFIG": str(tmp_path / "nowhere.toml")})
    assert found == [f"{tmp_path}/nowhere.toml does not exist: create it, or unset TREADLE_CONFIG."]


def test_the_configuration_beside_the_working_directory_is_read(tmp_path):
    (tmp_path / "treadle.toml").write_text('[slack]\nadmins = ["U1"]\n')
    assert read(tmp_path, SOCKET).file.slack.admins == ("U1",)


def test_another_slack_speaking_server_is_known_as_such(tmp_path):
    settings = read(tmp_path, {**SOCKET, "SLACK_API_URL": "http://127.0.0.1:5000/api/"})
    assert not settings.talks_to_slack_itself


def test_the_home_cannot_be_a_file(tmp_path):
    (tmp_path / "home").write_text("")
    assert problems(tmp_path, {**SOCKET, "TREADLE_HOME": str(tmp_path / "home")}) == [
        f"TREADLE_HOME: {tmp_path}/home is a file: name a folder."
    ]


def test_settings_without_slack_lead_to_no_workspace(tmp_path):
    settings = read(tmp_path, SOCKET).without_slack()
    assert (settings.slack_bot_token, settings.slack_app_token) == (None, None)


def test_the_keys_of_the_files_models_come_from_the_variables_it_names(tmp_path):
    (tmp_path / "treadle.toml").write_text('[models.a]\napi_key_env = "A_KEY"\n')
    settings = read(tmp_path, {**SOCKET, "A_KEY": " sk-a ", "B_KEY": "sk-b"})
    assert {n: k.get_secret_value() for n, k in settings.variables.items()} == {"A_KEY": "sk-a"}
    assert "sk-a" not in repr(settings)


def test_a_models_key_that_is_not_set_is_a_problem_with_its_fix(tmp_path):
    (tmp_path / "treadle.toml").write_text('[models."a.b"]\napi_key_env = "A_KEY"\n')
    (problem,) = problems(tmp_path, {**SOCKET, "A_KEY": " "})
    assert 'models."a.b" takes its key from A_KEY, which is not set: set it, or' in problem


def test_a_key_in_the_place_of_a_variables_name_is_not_repeated(tmp_path):
    (tmp_path / "treadle.toml").write_text('[models.a]\napi_key_env = "sk-secret"\n')
    (problem,) = problems(tmp_path, SOCKET)
    assert "give the name of an environment variable" in problem
    assert "secret" not in problem


def test_several_models_are_named_in_one_variable(tmp_path):
    settings = read(tmp_path, {**SOCKET, "TREADLE_MODEL": "big, small,, big"})
    assert settings.models == ("big", "small")
