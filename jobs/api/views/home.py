"""Where a client begins: links to everything else."""

from django.http import HttpResponse
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from jobs.api import links
from jobs.api.links import link, template
from jobs.api.openapi.operation import operation
from jobs.api.views.base import ApiView, json_response


class HomeView(ApiView):
    """The API's home. It tells nobody anything that is not in the documentation, so anyone may read it."""

    permission_classes = (AllowAny,)
    authentication_classes = ()

    @operation("Where to begin", {200: "Home"}, tag="Home", public=True)
    def get(self, request: Request) -> HttpResponse:
        """Links to every resource; those with `templated: true` are URI Templates (RFC 6570)."""
        response = json_response({"title": "Choreo", "links": home_links()})
        response["Cache-Control"] = "public, max-age=300"
        return response


def home_links() -> list[links.Link]:
    """Rels are the pattern's and IANA's."""
    job = links.api("jobs/{jobID}")
    locations = links.api("services/{name}/locations")
    return [
        link("self", links.api()),
        link("jobs", links.api("jobs")),
        template("job", job),
        template("cancel", f"{job}/cancellation"),
        template("tasks", f"{job}/tasks"),
        template("task", f"{job}/tasks/{{taskID}}"),
        template("sharedState", f"{job}/shared-state"),
        template("progress", f"{job}/progress"),
        template("errorReports", f"{job}/error-reports"),
        template("errorReport", f"{job}/error-reports/{{reportID}}"),
        template("budget", f"{job}/budget"),
        template("incidents", f"{job}/incidents"),
        template("incident", f"{job}/incidents/{{incidentID}}"),
        template("locations", locations),
        template("location", f"{locations}/{{locationID}}"),
        link("vocabulary", links.api("vocabulary")),
        template("term", links.api("vocabulary/{property}")),
        link("service-desc", links.api("openapi.json"), type="application/json"),
        link("service-doc", links.root("api/docs"), type="text/html"),
        link("status", links.root("readyz")),
        link("health", links.root("healthz")),
        link("problems", links.root("problems/"), type="text/html"),
        links.profile(),
    ]
