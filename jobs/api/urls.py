"""Routes of this app's API. Anything else under /api/ is Django's own 404, which the middleware makes a problem."""

from django.urls import URLPattern, path

from jobs.api import converters
from jobs.api.views import pages
from jobs.api.views.error_reports import ErrorReportListView, ErrorReportView
from jobs.api.views.home import HomeView
from jobs.api.views.jobs import BudgetView, CancellationView, JobListView, JobView
from jobs.api.views.progress import ProgressView
from jobs.api.views.registry import LocationListView, LocationView
from jobs.api.views.shared_state import SharedStateView
from jobs.api.views.tasks import TaskListView, TaskView
from jobs.api.views.vocabulary import TermView, VocabularyView

converters.register()

_JOB = "api/v1/jobs/<id:job_id>"
_LOCATIONS = "api/v1/services/<service:service_name>/locations"

urlpatterns: list[URLPattern] = [
    path("api/v1/", HomeView.as_view(), name="api-home"),
    path("api/v1/jobs", JobListView.as_view(), name="api-jobs"),
    path(_JOB, JobView.as_view(), name="api-job"),
    path(f"{_JOB}/cancellation", CancellationView.as_view(), name="api-cancellation"),
    path(f"{_JOB}/budget", BudgetView.as_view(), name="api-budget"),
    path(f"{_JOB}/progress", ProgressView.as_view(), name="api-progress"),
    path(f"{_JOB}/shared-state", SharedStateView.as_view(), name="api-shared-state"),
    path(f"{_JOB}/tasks", TaskListView.as_view(), name="api-tasks"),
    path(f"{_JOB}/tasks/<id:task_id>", TaskView.as_view(), name="api-task"),
    path(f"{_JOB}/error-reports", ErrorReportListView.as_view(), name="api-error-reports"),
    path(f"{_JOB}/error-reports/<id:report_id>", ErrorReportView.as_view(), name="api-error-report"),
    path(_LOCATIONS, LocationListView.as_view(), name="api-locations"),
    path(f"{_LOCATIONS}/<id:location_id>", LocationView.as_view(), name="api-location"),
    path("api/v1/vocabulary", VocabularyView.as_view(), name="api-vocabulary"),
    path("api/v1/vocabulary/<property:property>", TermView.as_view(), name="api-term"),
    path("api/v1/openapi.json", pages.openapi_document, name="api-openapi"),
    path("api/docs", pages.docs, name="api-docs"),
    path("problems/", pages.problem_index, name="problems"),
    path("problems/<slug:slug>", pages.problem_page, name="problem"),
]
