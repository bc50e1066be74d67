"""Wires the tools to the SDK's server: lists them, takes calls, hands on progress and cancellation."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio.to_thread
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from gpt_image2.core.base.about import PROGRAM, VERSION
from gpt_image2.core.base.errors import GptImage2Error, InterruptedCall

from .answers import failure
from .picture_tools import PICTURE_COMMANDS
from .resources import Resources
from .running_calls import RunningCalls
from .settings import ServerSettings
from .tool_calls import ToolCalls
from .tools import COMMANDS, ESTIMATE, GET, input_schema, instructions, tools

_log = logging.getLogger(__name__)

Context = ServerRequestContext[Any]


@dataclass(frozen=True)
class Built:
    """A server for the SDK's transports, and its calls, for whoever has to stop them."""

    server: Server[Any]
    calls: RunningCalls


def build_server(settings: ServerSettings) -> Built:
    """A server; it may serve any number of clients, which then share one budget.

    Raises:
        UsageError: the output folder or an allowed folder cannot be used.
    """
    tool_calls = ToolCalls(settings)
    calls = RunningCalls()
    resources = Resources(tool_calls.folders)

    async def list_tools(
        _context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools())

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        result = await answered(context, params)
        resources.remember(result.content)
        return result

    async def answered(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        name, arguments = params.name, params.arguments
        if name == ESTIMATE:
            return await anyio.to_thread.run_sync(tool_calls.estimate, arguments)
        if name == GET:
            return await anyio.to_thread.run_sync(tool_calls.get, arguments)
        if name in PICTURE_COMMANDS:
            return await anyio.to_thread.run_sync(tool_calls.work_on_picture, name, arguments)
        if name not in COMMANDS:
            raise MCPError(types.INVALID_PARAMS, f"unknown tool: {name}")
        try:
            return await calls.run(partial(tool_calls.make, name, arguments), context.session.report_progress)
        except InterruptedCall as error:
            return failure(error, COMMANDS[name])

    async def list_resources(
        _context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=resources.listed())

    async def read_resource(
        _context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        try:
            contents = await anyio.to_thread.run_sync(resources.read, str(params.uri))
        except GptImage2Error as error:
            raise MCPError(types.INVALID_PARAMS, f"{error.message}; {error.hint}") from None
        return types.ReadResourceResult(contents=[contents])

    server: Server[Any] = Server(
        PROGRAM,
        version=VERSION,
        title="Images by gpt-image-2",
        instructions=instructions(),
        get_tool_input_schema=input_schema,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_read_resource=read_resource,
    )
    return Built(server, calls)
