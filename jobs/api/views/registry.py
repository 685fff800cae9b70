"""The service registry."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from jobs import selectors
from jobs.api import conditional, links, queries, representations
from jobs.api.openapi.operation import WINDOW, operation
from jobs.api.serializers.parts import LocationBody
from jobs.api.views.base import ApiView, json_response
from jobs.services.registry import delete_location, live_locations, location_etag, put_location

CACHE = "private, max-age=5"
COMMON: dict[str, Any] = {"tag": "Registry", "conditional": True}


class LocationListView(ApiView):
    """`/services/{name}/locations`."""

    @operation("List locations", {200: "LocationList"}, parameters=WINDOW, errors=(422,), **COMMON)
    def get(self, request: Request, service_name: str) -> HttpResponse:
        """The locations whose leases run, in the order in which to try them."""
        selectors.find_service(service_name)
        here = links.api(f"services/{service_name}/locations")
        rows, around = queries.window(request.query_params).of(live_locations(service_name, self.now), here)
        body = {
            "locations": [representations.location(row, service_name) for row in rows],
            "links": [*around, links.template("location", f"{here}/{{locationID}}")],
        }
        return self.tagged(body, cache=CACHE)


class LocationView(ApiView):
    """`/services/{name}/locations/{locationID}`."""

    @operation("Read a location", {200: "Location"}, **COMMON)
    def get(self, request: Request, service_name: str, location_id: UUID) -> HttpResponse:
        """A location whose lease runs."""
        row = selectors.find_location(service_name, location_id, self.now)
        return conditional.answer(
            request._request,
            location_etag(row),
            lambda: json_response(representations.location(row, service_name)),
            cache=CACHE,
        )

    @operation("Register or renew", {201: "Location", 200: "Location"}, body="LocationRequest", **COMMON)
    def put(self, request: Request, service_name: str, location_id: UUID) -> HttpResponse:
        """Register a location of this service's own (201), or renew its lease (200)."""
        values = self.replacement(LocationBody)
        written = put_location(
            service_name, location_id, self.service, values, precondition=self.precondition, now=self.now
        )
        here = links.api(f"services/{service_name}/locations/{location_id}")
        headers = {"Location": here} if written.created else {}
        body = representations.location(written.row, service_name)
        return json_response(body, 201 if written.created else 200, headers=headers)

    @operation("Take a location out", {204: ""}, **COMMON)
    def delete(self, request: Request, service_name: str, location_id: UUID) -> HttpResponse:
        """Take the location out."""
        delete_location(service_name, location_id, self.service, precondition=self.precondition, now=self.now)
        return HttpResponse(status=204)
