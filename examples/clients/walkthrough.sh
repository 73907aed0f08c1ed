#!/usr/bin/env bash
# `waypost serve` by curl alone. Start it first, then: WAYPOST_URL=http://127.0.0.1:8700 WAYPOST_AGENT=hollin-wren ./walkthrough.sh
set -euo pipefail
base="${WAYPOST_URL:-http://127.0.0.1:8700}/api/v1"
agent="$base/agents/${WAYPOST_AGENT:-default}"

post() { curl -sS "$agent/converse" -H 'content-type: application/json' -H 'user-id: u-1' "$@"; }
# A text of an answer; whoever has jq would write `jq -r .response.message`.
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

echo '# The user says something, and a journey begins.'
first=$(post -d '{"message": "where is my order?"}')
conversation=$(field conversation_id <<<"$first")
echo "$(field message <<<"$first")"

echo '# The model fills in what the user told it earlier. It may call what `expects` lists, and nothing else.'
filled=$(post -d "{\"conversation_id\": \"$conversation\", \"command\": {\"type\": \"fill\", \"values\": {\"order_id\": \"H1042\"}}}")
echo "$(field message <<<"$filled")"

echo '# What may not come now is a 409 that changes nothing.'
post -o /dev/null -w '%{http_code}\n' -d "{\"conversation_id\": \"$conversation\", \"command\": {\"type\": \"next\"}}"

echo '# A model cannot say the yes of its user: 403.'
question=$(post -d "{\"conversation_id\": \"$conversation\", \"command\": {\"type\": \"start\", \"journey\": \"grinder-help\"}}")
echo "$(field message <<<"$question")"
post -o /dev/null -w '%{http_code}\n' -d "{\"conversation_id\": \"$conversation\", \"command\": {\"type\": \"confirm\"}}"

echo '# The same turn twice is one turn: the second answer is the first.'
once=$(post -H 'idempotency-key: walk-1' -d "{\"conversation_id\": \"$conversation\", \"message\": \"it jams\"}")
again=$(post -H 'idempotency-key: walk-1' -d "{\"conversation_id\": \"$conversation\", \"message\": \"it jams\"}")
[ "$once" = "$again" ] && echo 'the same'

echo '# Who said what, and the events of the conversation as a stream, from wherever the last one broke off.'
curl -sS "$agent/conversations/$conversation/history?limit=2" -H 'user-id: u-1'
echo
{ curl -s -N --max-time 2 "$agent/conversations/$conversation/events" -H 'user-id: u-1' -H 'last-event-id: 2' || true; } | sed -n 1,3p

echo '# And what the process counted.'
curl -sS "${base%/api/v1}/metrics" | grep '^waypost_turns_total'
