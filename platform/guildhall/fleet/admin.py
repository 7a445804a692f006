"""Workers and queues in the owner console: how they are, and the orders to them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from guildhall.fleet.actions import drain_worker, pause_queue, resume
from guildhall.fleet.board import board_json, board_page
from guildhall.fleet.models import Part, Stop
from guildhall.fleet.orders import orders_json
from guildhall.owner.model_admin import Act, GovernedAdmin, acting_on, actor_of, asks
from tenants.web.owner_names import by_name, with_names

RESUME = Act(
    title="Let {} go on",
    consequence="Work is taken again within seconds, the longest waiting first.",
    button="Let it go on",
    done="Work is taken again: {}.",
    perform=acting_on("stop", resume),
)
WHAT = (
    "A worker that is stopped takes nothing new and ends what it has; once it is drained it can be ended without anything being "
    "cut off. A queue that is stopped keeps its messages, and no worker takes any. Either lasts until it is resumed here, "
    "whatever is started anew meanwhile."
)


@admin.register(Stop)
class StopAdmin(GovernedAdmin):
    """Adding one drains a worker or pauses a queue."""

    list_display = ("part", "name", "reason", "orderer", "ordered_at", "ender", "ended_at")
    list_filter = ("part",)
    search_fields = ("name",)
    fields = list_display
    readonly_fields = ("orderer", "ender")
    add_fieldsets = ((None, {"fields": ("part", "name", "reason"), "description": WHAT}),)
    actions_detail = ("resume",)
    orderer = by_name("ordered_by", "ordered by")
    ender = by_name("ended_by", "ended by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Stop]:
        return with_names(super().get_queryset(request), "ordered_by", "ended_by")

    def get_urls(self) -> list[URLPattern]:
        seen = self.admin_site.admin_view
        page = path("board/", seen(self.board), name="fleet_board")
        told = path("board.json", seen(board_json), name="fleet_board_json")
        return [page, told, path("orders.json", seen(orders_json), name="fleet_orders_json"), *super().get_urls()]

    def board(self, request: HttpRequest) -> HttpResponse:
        """How the fleet is now."""
        return board_page(request, self.admin_site.each_context(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def save_model(self, request: HttpRequest, obj: Stop, form: Any, change: bool) -> None:
        order = drain_worker if form.cleaned_data["part"] == Part.WORKER else pause_queue
        values = {name: form.cleaned_data[name] for name in ("name", "reason")}
        obj.pk = order(actor=actor_of(request), **values).pk

    resume = asks(RESUME, icon="play_circle")

    def open_acts(self, object_id: Any) -> set[str]:
        return {"resume"} if Stop.objects.filter(pk=object_id, ended_at__isnull=True).exists() else set()
