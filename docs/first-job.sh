#!/usr/bin/env bash
# A whole checkout with curl alone: every URL but the first comes out of the `links` of an answer.
set -euo pipefail
BASE=${CHOREO_URL:-http://127.0.0.1:8000}
TOKEN=${CHOREO_TOKEN:-$(uv run manage.py issue_token shop --scope vocabulary)}

api() { curl -sS --fail-with-body -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' "$@"; }
link() { python3 -c 'import json, sys
print(next(x["href"] for x in json.load(sys.stdin)["links"] if x["rel"] == sys.argv[1]))' "$1"; }
uuid() { python3 -c 'import uuid; print(uuid.uuid4())'; }

# 1. The home page says where everything is. Agree on a word for what the services share.
home=$(api "$BASE/api/v1/")
term=$(link term <<<"$home")
api -X PUT "${term/\{property\}/updatedPrice}" -d '{"title": "Price with tax", "schema": {"type": "number", "minimum": 0}}'

# 2. Begin a job: a minute at most.
job=$(link job <<<"$home")
job=$(api -X PUT "${job/\{jobID\}/$(uuid)}" -d '{"jobName": "checkout", "jobMaxTTL": 60}')
progress=$(link progress <<<"$job")

# 3. Report a task, and where it can be undone.
task=$(link task <<<"$job")
task=${task/\{taskID\}/$(uuid)}
api -X PUT "$task" -d '{"taskName": "tax", "taskRevertURL": "https://tax.example/quotes/1/revert"}'

# 4. Share an absolute value; If-Match says which state it was based on.
state=$(link sharedState <<<"$job")
etag=$(api -o /dev/null -D - "$state" | tr -d '\r' | sed -n 's/^[Ee][Tt][Aa][Gg]: //p')
api -X PUT "$state" -H "If-Match: $etag" -d '{"updatedPrice": 107.00}'

# 5. The task is done, and so is the job. Anyone may poll how far it is.
api -X PUT "$task" -d '{"taskName": "tax", "taskStatus": "completed", "taskRevertURL": "https://tax.example/quotes/1/revert"}'
api -X PATCH "$(link self <<<"$job")" -d '{"jobStatus": "completed"}' -o /dev/null
api "$progress"
