"""``[tools]``: a table for each tool that can be set up, a line each."""

from bot.tables.code_execution import CodeExecutionTable
from bot.tables.kept import TaskFolderTable
from bot.tables.network import ApiCallTable, WebSearchTable
from bot.tables.table import Table
from bot.tables.tool_rules import ToolRuleTable


class ToolsTable(Table):
    """Settings of the tools."""

    rules: tuple[ToolRuleTable, ...] = ()
    """The first that fits a call decides."""
    code_execution: CodeExecutionTable = CodeExecutionTable()
    task_folder: TaskFolderTable = TaskFolderTable()
    api_call: ApiCallTable = ApiCallTable()
    web_search: WebSearchTable = WebSearchTable()
