"""An MCP server of the official Python SDK: a shop's tools, over streamable HTTP on a free port of loopback, or over standard input and output.

Prints its URL, then a line of JSON for each call that its write took. Ends when its standard input does.
"""

import asyncio
import json
import os
import socket
import sys
import threading
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel

server = MCPServer("shop")
orders = {"A1": "open", "A2": "shipped"}


class Order(BaseModel):
    id: str
    status: str


@server.tool()
def order(order_id: str) -> Order:
    """One order."""
    if order_id not in orders:
        raise ToolError(f"no order {order_id}")
    return Order(id=order_id, status=orders[order_id])


@server.tool()
def motto() -> str:
    """What the shop says of itself."""
    return "We ship on Mondays."


@server.tool(structured_output=False)
def listed() -> str:
    """All orders, as JSON in a text."""
    return json.dumps({"orders": sorted(orders)})


@server.tool()
async def cancel(order_id: str, reason: str, ctx: Context) -> dict[str, Any]:
    """Cancels an order."""
    headers = ctx.headers or {}
    kept = {name: headers.get(name) for name in ("idempotency-key", "x-shop-key", "x-desk")}
    print(json.dumps({"cancel": order_id, "reason": reason, **kept}), flush=True)
    await ctx.report_progress(1, 2)
    if orders.get(order_id) != "open":
        raise ToolError(f"{order_id} is not open")
    orders[order_id] = "cancelled"
    return {"id": order_id, "status": "cancelled"}


@server.tool()
def process() -> dict[str, Any]:
    """The process that answers, and what it finds in its environment."""
    return {"pid": os.getpid(), "environment": dict(os.environ), "status": "running"}


@server.tool()
def die() -> str:
    """Ends the process in the middle of a call."""
    with open(os.environ["DEATHS"], "a") as deaths:
        deaths.write("x")
    os._exit(1)


@server.tool()
async def slow() -> str:
    """Takes longer than anybody waits."""
    await asyncio.sleep(600)
    return "done"


def until_end_of_input() -> None:
    sys.stdin.read()
    listener.close()
    # The process's end is the server's end: nothing of it is worth keeping.
    os._exit(0)


if "--stdio" in sys.argv:
    server.run(transport="stdio")
    sys.exit()
listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=until_end_of_input, daemon=True).start()
print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
app = server.streamable_http_app(json_response="--json" in sys.argv)
uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
