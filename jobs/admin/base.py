"""What every operator screen shares: who may do what, and lists that never count."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, cast

from django.contrib.admin import ShowFacets
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.paginator import InfinitePaginator


class ChoreoAdmin[M: Model](ModelAdmin):
    """A screen of Choreo. `OPERATE` is asked of everybody who acts; seeing is Django's own view permission."""

    OPERATE: ClassVar[str] = ""
    actions = None  # no bulk action deletes anything
    actions_detail: Any = ()
    change_form_after_template: Any = None
    compressed_fields = True
    list_per_page = 50
    paginator = InfinitePaginator
    show_facets = ShowFacets.NEVER
    show_full_result_count = False

    def page_context(self, request: HttpRequest, row: M) -> dict[str, Any]:
        """What the page of one row needs beyond Django's own."""
        return {}

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Django's page of one row, with what `page_context` adds."""
        if obj is not None:
            context |= self.page_context(request, obj)
        response: HttpResponse = super().render_change_form(request, context, add, change, form_url, obj)
        return response

    def row_actions(self, request: HttpRequest, row: M, names: Iterable[str]) -> list[dict[str, str]]:
        """The named actions as buttons of the page itself, title and path of each; none for who may not operate."""
        if not self.has_operate_permission(request):
            return []
        app = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        return [
            {"title": str(getattr(self, name).short_description), "path": reverse(f"{app}_{name}", args=[row.pk])}
            for name in names
        ]

    def has_operate_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """May this person act on such rows?"""
        return bool(request.user.is_active and request.user.has_perm(self.OPERATE))


class ReadOnlyAdmin[M: Model](ChoreoAdmin[M]):
    """Rows that the machine writes: nobody adds, changes or deletes them here, whatever their permissions."""

    show_add_link = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Never."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Django would also let those see it who may change it; seeing and acting are two things here."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.view_{self.opts.model_name}"))


def dialog_action[F: Callable[..., HttpResponse]](
    *,
    label: str,
    icon: str,
    url_path: str,
    title: str,
    submit: str,
    explanation: str = "",
    danger: bool = False,
    form_class: type[BaseDialogForm] = BaseDialogForm,
) -> Callable[[F], F]:
    """What a person may do to one row: asked for by a dialog (GET), done by its form (POST), for those who may operate.

    The only way to an action here: Unfold's own would run on GET without a dialog, and for anybody without permissions.
    """
    decorate = action(
        description=label,
        icon=icon,
        url_path=url_path,
        permissions=["operate"],
        variant=ActionVariant.DANGER if danger else ActionVariant.DEFAULT,
        dialog={"title": title, "description": explanation, "form_class": form_class, "form_submit_text": submit},
    )

    def keep_type(method: F) -> F:
        return cast(F, decorate(method))

    return keep_type


def leave_dialog(request: HttpRequest, url: str) -> HttpResponse:
    """Go on to `url` after a dialog has done its work: htmx needs a header where a plain form needs a redirect.

    And no fragment: a browser that is on that page already would only scroll, and keep the dialog and the old page.
    """
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(headers={"HX-Redirect": url.partition("#")[0]})
    return HttpResponseRedirect(url)
