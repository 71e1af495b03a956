from aiohttp import web

from bot.settings import Purpose, read_settings
from bot.toolbox import make_tools, open_toolbox
from tests.fakes.tools import tool_context
from tests.fakes.web import serving


def settings_with(tmp_path, text="", **environment):
    (tmp_path / "treadle.toml").write_text(text)
    return read_settings(Purpose.TERMINAL, environment=environment, folder=tmp_path)


def names(settings):
    return [tool.name for tool in make_tools(settings)]


def test_tools_that_use_the_network_are_offered_only_where_they_may_use_it(tmp_path):
    assert names(settings_with(tmp_path)) == ["calculate", "code_execution", "file_operations"]
    some = "[tools.api_call]\ndomains = ['example.com']\n"
    assert "api_call" in names(settings_with(tmp_path, some))
    assert "api_call" in names(settings_with(tmp_path, "[tools.api_call]\nread_domains = ['*']\n"))
    assert "web_search" in names(settings_with(tmp_path, TAVILY_API_KEY="made-up-key"))
    assert "web_search" in names(settings_with(tmp_path, SEARXNG_URL="http://10.0.3.7:8888"))


async def test_a_tool_from_the_settings_calls_with_its_secret_and_is_closed_after(tmp_path):
    seen = []

    async def answer(request):
        seen.append(request.headers.get("Authorization"))
        return web.json_response({"echo": request.headers.get("Authorization")})

    async with serving(answer) as port:
        text = f"""
            [tools.api_call]
            domains = ["127.0.0.1"]
            ports = [{port}]
            allow_private = ["127.0.0.1"]
            [tools.api_call.secrets.mine]
            host = "127.0.0.1"
            env = "MINE"
            plain_http = true
        """
        settings = settings_with(tmp_path, text, MINE="made-up-value")
        async with open_toolbox(settings) as toolbox:
            arguments = {"url": f"http://127.0.0.1:{port}/"}
            called = await toolbox.caller.call("api_call", arguments, tool_context(tmp_path))
            assert called.content["data"] == {"echo": "Bearer [secret]"}
    assert seen == ["Bearer made-up-value"]


async def test_a_searxng_on_this_machine_can_be_asked_without_further_permission(tmp_path):
    async def answer(_request):
        return web.json_response({"results": [{"url": "https://a.example/", "title": "A"}]})

    async with serving(answer) as port:
        settings = settings_with(tmp_path, SEARXNG_URL=f"http://127.0.0.1:{port}")
        async with open_toolbox(settings) as toolbox:
            found = await toolbox.caller.call("web_search", {"query": "x"}, tool_context(tmp_path))
    assert [result["link"] for result in found.content["results"]] == ["https://a.example/"]


async def test_everything_secret_in_the_settings_is_taken_out_of_texts(tmp_path):
    async with open_toolbox(settings_with(tmp_path, OPENAI_API_KEY="my-made-up-key")) as toolbox:
        assert toolbox.redaction.redact("it is my-made-up-key") == "it is [secret]"
