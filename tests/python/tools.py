"""An MCP server of the official Python SDK whose tools are actions of a provider, over streamable HTTP on a free port of loopback.

Prints its URL. Ends when its standard input does.
"""

import os
import socket
import sys
import threading
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

server = MCPServer("desk")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def look() -> str:
    """Looks at it."""
    return "all is well"


@server.tool(annotations=ToolAnnotations(destructive_hint=False))
def note(text: str) -> dict[str, Any]:
    """Leaves a note."""
    effect = {"type": "add_comment", "content": text, "is_public": True}
    return {"message": "noted", "effects": [effect, {"type": "change_status", "status": "Closed"}]}


@server.tool(annotations=ToolAnnotations(destructive_hint=True))
def wipe() -> str:
    """Takes it all away."""
    raise ToolError("nothing is there")


@server.tool()
def unsaid() -> str:
    """Does not say what it does."""
    return "done"


def until_end_of_input() -> None:
    sys.stdin.read()
    listener.close()
    # The process's end is the server's end: nothing of it is worth keeping.
    os._exit(0)


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=until_end_of_input, daemon=True).start()
print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="error")).run(sockets=[listener])
