// A provider of actions, in TypeScript without packages: the same as provider.py. PROVIDER_SECRET holds the `whsec_…` of the workspace.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Context = { ticket?: { issue_type?: string } | null };
type Call = { action_id: string; context: Context; inputs: object; execution_id: string };
type Result = { success: boolean; message: string; effects: object[] };

const key = Buffer.from((process.env.PROVIDER_SECRET ?? "").replace(/^whsec_/, ""), "base64");
const seen = new Set<string>(); // webhook-ids: one that comes again is replayed
const done = new Map<string, Result>(); // execution_ids: one that comes again is a retry, and gets the same answer

function sign(id: string, at: string, body: string): string {
  return "v1," + createHmac("sha256", key).update(`${id}.${at}.${body}`).digest("base64");
}

function discover(context: Context): object[] {
  if (context.ticket?.issue_type !== "payment") return [];
  const description = "Charges the card on file once more";
  return [{ id: "reprocess_payment", label: "Reprocess Payment", description, requires_confirmation: true }];
}

function execute(call: Call): Result {
  const comment = { type: "add_comment", content: `Payment reprocessed (${call.execution_id})`, is_public: false };
  const status = { type: "change_status", status: "In Progress" };
  return { success: true, message: "The payment is on its way.", effects: [comment, status] };
}

function answer(response: ServerResponse, status: number, value: unknown, id: string): void {
  const [body, at] = [JSON.stringify(value), String(Math.floor(Date.now() / 1000))];
  const signed = { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": sign(id, at, body) };
  response.writeHead(status, { "content-type": "application/json", ...signed }).end(body);
}

const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString();
  const header = (name: string): string => String(request.headers[name] ?? "");
  const [id, at] = [header("webhook-id"), header("webhook-timestamp")];
  const [given, own] = [Buffer.from(header("webhook-signature")), Buffer.from(sign(id, at, body))];
  const good = given.length === own.length && timingSafeEqual(given, own);
  if (!good || !(Math.abs(Date.now() / 1000 - Number(at)) <= 300) || seen.has(id)) {
    return answer(response, 401, { error: "bad signature" }, id);
  }
  seen.add(id);
  const sent = JSON.parse(body) as Call;
  if (request.url === "/discover") return answer(response, 200, discover(sent.context), id);
  if (!done.has(sent.execution_id)) done.set(sent.execution_id, execute(sent));
  answer(response, 200, done.get(sent.execution_id), id);
});
server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
