"""The examples of the OpenAPI document: one checkout, as in the pattern. A test checks them against their schemas."""

from typing import Any

_BASE = "https://choreo.example/api/v1"
_JOB = "6f7c3c1e-5d0a-4a53-9d0b-0c7a7d9d2f10"
_TAX = "0b8f6a52-8a3e-4f0e-9f0d-3a1c55d2b7aa"
_REPORT = "7d0f1a3b-21a8-4a39-8a44-5e0f3a8a9c55"
_PLACE = "c2a9e6c8-0f5b-4c35-b8f5-51f4e6b0a111"
_HREF = f"{_BASE}/jobs/{_JOB}"
_START = "2030-01-31T12:00:00.000000Z"

Sample = dict[str, Any]

LINK: Sample = {"rel": "self", "href": _HREF}
PLAN_STEP: Sample = {"taskName": "tax", "attempts": 3, "timeout": 10, "delay": 1, "backoff": "exponential", "undo": 5}
JOB_REQUEST: Sample = {"jobName": "checkout", "jobMaxTTL": 60, "jobPlan": [{"taskName": "tax", "timeout": 10}]}
TASK_REQUEST: Sample = {
    "taskName": "tax",
    "taskStatus": "working",
    "taskMaxTTL": 20,
    "taskStateChanged": True,
    "taskRevertURL": "https://tax.example/orders/17/revert",
}
REPORT_REQUEST: Sample = {
    "type": "https://tax.example/problems/rates",
    "title": "No rates for this country",
    "status": 502,
    "taskID": _TAX,
    "halting": True,
}
LOCATION_REQUEST: Sample = {"url": "https://tax-2.example/", "priority": 1, "leaseSeconds": 30, "kind": "fallback"}
TERM_REQUEST: Sample = {
    "title": "Updated price",
    "description": "The price after tax, in euro.",
    "schema": {"type": "number", "minimum": 0},
}
STATE: Sample = {"updatedPrice": 41.9}
VERDICT: Sample = {"jobMaxTTL": 60, "worstCaseSeconds": 10, "fits": True}
BUDGET: Sample = {
    **VERDICT,
    "steps": [{"taskName": "tax", "worstCaseSeconds": 10}],
    "links": [{"rel": "self", "href": f"{_HREF}/budget"}],
}
TASK: Sample = {
    "taskID": _TAX,
    "taskName": "tax",
    "taskDescription": "",
    "taskService": "tax",
    "taskStatus": "working",
    "taskMaxTTL": 20,
    "taskCausedBy": None,
    "taskStateChanged": True,
    "taskURL": None,
    "taskCancelURL": None,
    "taskRevertURL": "https://tax.example/orders/17/revert",
    "taskStartDateTime": _START,
    "taskStopDateTime": None,
    "taskDeadline": "2030-01-31T12:00:20.000000Z",
    "taskDateUpdated": _START,
    "links": [{"rel": "self", "href": f"{_HREF}/tasks/{_TAX}"}, {"rel": "up", "href": _HREF}],
}
JOB: Sample = {
    "jobID": _JOB,
    "jobURL": _HREF,
    "jobName": "checkout",
    "jobDescription": "",
    "jobStatus": "working",
    "jobReason": None,
    "jobMaxTTL": 60,
    "jobOnTaskFailure": "cancel",
    "jobPlan": [{"taskName": "tax", "timeout": 10}],
    "jobDateCreated": _START,
    "jobDateUpdated": _START,
    "jobStartDateTime": _START,
    "jobStopDateTime": None,
    "jobDeadline": "2030-01-31T12:01:00.000000Z",
    "jobProgressURL": f"{_HREF}/progress",
    "jobSharedStateURL": f"{_HREF}/shared-state",
    "jobCancelURL": f"{_HREF}/cancellation",
    "budget": VERDICT,
    "taskRecord": [TASK],
    "links": [LINK, {"rel": "progress", "href": f"{_HREF}/progress"}],
}
PROGRESS: Sample = {
    "jobID": _JOB,
    "jobName": "checkout",
    "jobStatus": "working",
    "jobStartDateTime": _START,
    "jobStopDateTime": None,
    "jobMaxTTL": 60,
    "tasks": [
        {
            "taskID": _TAX,
            "taskName": "tax",
            "taskStatus": "working",
            "taskStartDateTime": _START,
            "taskStopDateTime": None,
            "taskMaxTTL": 20,
        }
    ],
    "links": [{"rel": "self", "href": f"{_HREF}/progress"}, {"rel": "refresh", "href": f"{_HREF}/progress"}],
}
REPORT: Sample = {
    "reportID": _REPORT,
    "type": "https://tax.example/problems/rates",
    "title": "No rates for this country",
    "status": 502,
    "detail": None,
    "instance": None,
    "taskID": _TAX,
    "halting": True,
    "reportService": "tax",
    "reportDateCreated": _START,
    "reportDateUpdated": _START,
    "links": [{"rel": "self", "href": f"{_HREF}/error-reports/{_REPORT}"}],
}
LOCATION: Sample = {
    "locationID": _PLACE,
    "url": "https://tax-2.example/",
    "priority": 1,
    "leaseSeconds": 30,
    "kind": "fallback",
    "links": [{"rel": "self", "href": f"{_BASE}/services/tax/locations/{_PLACE}"}],
}
TERM: Sample = {
    "property": "updatedPrice",
    **TERM_REQUEST,
    "absoluteByDefinition": False,
    "searchable": False,
    "links": [{"rel": "self", "href": f"{_BASE}/vocabulary/updatedPrice"}],
}
ALPS: Sample = {
    "alps": {
        "version": "1.0",
        "descriptor": [
            {"id": "updatedPrice", "type": "semantic", "doc": {"value": "The price after tax, in euro."}, "ext": []}
        ],
    }
}
PROBLEM: Sample = {
    "type": "https://choreo.example/problems/validation",
    "title": "The body does not fit",
    "status": 422,
    "detail": "The body does not fit; see errors.",
    "instance": f"/api/v1/jobs/{_JOB}",
    "errors": [{"pointer": "/jobMaxTTL", "detail": "This must be a whole number from 1 to 2678400."}],
}
