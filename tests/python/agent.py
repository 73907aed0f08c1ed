"""A host of the Model Context Protocol on the official Python SDK: does what lines of JSON on its standard input ask for, and prints what
came of each as a line of JSON.

    agent.py MODE NAME ANSWER stdio COMMAND ARGUMENT…
    agent.py MODE NAME ANSWER URL [HEADER=VALUE…]

MODE is `legacy` or a revision; NAME is what the client calls itself; ANSWER is how its user answers questions: `yes`, `no`, `decline`,
`cancel`, or `-` for a client that cannot ask; or a directory with two pipes: what it is asked goes into `asked`, and it says yes when
something comes out of `go`.
"""

import asyncio
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import ElicitResult, Implementation, ToolListChangedNotification

mode, name, answer, where, *rest = sys.argv[1:]
asked: list[str] = []
changes = 0


async def ask(context: Any, params: Any) -> ElicitResult:
    asked.append(params.message)
    if "/" in answer:
        await asyncio.to_thread(lambda: (Path(answer, "asked").write_text(params.message), Path(answer, "go").read_text()))
        return ElicitResult(action="accept", content={"yes": True})
    if answer in ("yes", "no"):
        return ElicitResult(action="accept", content={"yes": answer == "yes"})
    return ElicitResult(action=answer)


async def hear(message: Any) -> None:
    global changes
    if isinstance(message, ToolListChangedNotification):
        changes += 1


def tool(listed: Any) -> dict[str, Any]:
    return {"name": listed.name, "schema": listed.input_schema, "output": listed.output_schema}


async def do(client: Client, line: dict[str, Any]) -> Any:
    if "tool" in line:
        result = await client.call_tool(line["tool"], line.get("args", {}))
        text = result.content[0].text if result.content else None
        return {"result": result.structured_content or json.loads(text), "error": bool(result.is_error)}
    if "list" in line:
        return {"tools": [tool(t) for t in (await client.list_tools()).tools]}
    if "resources" in line:
        return {"resources": [r.uri for r in (await client.list_resources()).resources]}
    contents = (await client.read_resource(line["read"])).contents[0]
    return {"text": contents.text, "type": contents.mime_type}


async def main() -> None:
    headers = dict(pair.split("=", 1) for pair in rest) if where != "stdio" else {}
    http = create_mcp_http_client(headers=headers) if where != "stdio" else nullcontext()
    async with http as http_client:
        server = StdioServerParameters(command=rest[0], args=rest[1:]) if where == "stdio" else streamable_http_client(where, http_client=http_client)
        client = Client(
            server,
            mode=mode,
            client_info=Implementation(name=name, version="1"),
            elicitation_callback=None if answer == "-" else ask,
            message_handler=hear,
        )
        async with client:
            while line := await asyncio.to_thread(sys.stdin.readline):
                try:
                    came = await do(client, json.loads(line))
                except MCPError as error:
                    came = {"protocol_error": error.error.code, "message": error.error.message}
                came |= {"asked": list(asked), "changes": changes}
                asked.clear()
                print(json.dumps(came), flush=True)


asyncio.run(main())
