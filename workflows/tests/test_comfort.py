"""Beside the work: comments, labels, who is responsible, files, kept filters, search; and what each refuses to whom."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from guildhall.kernel.errors import Conflict, Denied, Invalid, NotFound, Stale, TooLarge
from guildhall.kernel.tenancy import tenant_scope
from tenants.models import Membership
from tests.support.evidence import OutboxEvent
from tests.support.tenants import TestTenant
from workflows.actions.attachments import attach, delete_attachment
from workflows.actions.bulk import do_to_many
from workflows.actions.comments import delete_comment, edit_comment, write_comment
from workflows.actions.decisions import propose_decision
from workflows.actions.following import assign_story, read_notices, set_watch
from workflows.actions.labels import create_label, delete_label, edit_label, set_labels
from workflows.actions.saved import delete_filter, save_filter
from workflows.models import Attachment, Comment, Label, Project, Story, Task
from workflows.models.attachment import MAX_BYTES
from workflows.selectors import stories_visible_to
from workflows.selectors.activity import activity
from workflows.selectors.beside import attachments_of, comments_on, find_comment, inbox_of, is_watching
from workflows.selectors.filters import StoryFilter, matching
from workflows.selectors.lanes import LANE, counts, lanes, numbers
from workflows.selectors.lists import pending_for, waits_for
from workflows.selectors.people import mentionable, suggestions
from workflows.selectors.search import BEST_FIRST, searched
from workflows.sweeping import sweep_files
from workflows.tests.world import World
from workflows.web.panels import find_decisions, find_tasks

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def told(make_tenant: Callable[..., TestTenant]) -> World:
    """Three stories of which two are shown to the client acme; read and added to, never moved."""
    world = World(make_tenant())
    for title, brief, shown in (
        ("Pay by card", "Shoppers want to pay without cash.", True),
        ("Round the VAT", "Rounding per line loses a cent.", True),
        ("Move the tills", "Nobody outside needs to know of the removal.", False),
    ):
        world.write(title=title, brief=brief, client_visible=shown)
    for name in ("Ruth Ferris", "Otto Other"):
        world.tenant.actor("client", name=name)
    with tenant_scope(world.tenant.schema):
        Project.objects.update(client="acme")
        Membership.objects.filter(roles=["client"]).update(client="acme")
    return world


def client_of(world: World, client: str = "acme", name: str = "Ruth Ferris") -> Any:
    return replace(world.tenant.actor("client", name=name), client=client)


def story(number: int) -> Story:
    return Story.objects.select_related("project").get(reference=f"SHOP-{number}")


def test_whoever_is_mentioned_is_told_and_follows_the_story(told: World) -> None:
    with tenant_scope(told.tenant.schema):
        made = write_comment(
            actor=told.developer, item=story(1), text="Is this right, @product-owner? And @nobody-here."
        )
        line = inbox_of(told.po).first()
        assert made.mentions == [told.po.ref]
        assert line is not None
        assert (line.kind, line.comment, str(line.story)) == ("mention", made, str(story(1)))
        assert is_watching(told.po, story(1))
        assert is_watching(told.developer, story(1))
        assert not inbox_of(told.developer).exists()
        write_comment(actor=told.po, item=story(1), text="It is.")
        assert [row.kind for row in inbox_of(told.developer)] == ["comment"]
        assert read_notices(actor=told.developer, notice=None) == 1
        assert read_notices(actor=told.developer) == 0


def test_who_said_that_they_do_not_follow_is_not_made_to(told: World) -> None:
    qa = told.qa
    with tenant_scope(told.tenant.schema):
        set_watch(actor=qa, item=story(2), watching=False)
        write_comment(actor=told.developer, item=story(2), text="@qa look at this")
        assert not is_watching(qa, story(2))
        before = inbox_of(qa).count()
        write_comment(actor=told.developer, item=story(2), text="And this.")
        assert inbox_of(qa).count() == before


def test_comments_are_mended_and_taken_back_by_their_writer_alone(told: World) -> None:
    with tenant_scope(told.tenant.schema):
        made = write_comment(actor=told.developer, item=story(3), text="Frist")
        with pytest.raises(Denied, match="Only Developer edits"):
            edit_comment(actor=told.po, comment=made, text="Mine now")
        with pytest.raises(Denied, match="Only Developer deletes"):
            delete_comment(actor=told.po, comment=made)
        edit_comment(actor=told.developer, comment=made, text="First", version=1)
        with pytest.raises(Stale):
            edit_comment(actor=told.developer, comment=made, text="Third", version=1)
        for text in ("", " \n", "x" * 20_001):
            with pytest.raises(Invalid):
                write_comment(actor=told.developer, item=story(3), text=text)
        delete_comment(actor=told.tenant.actor("admin"), comment=made)
        assert not Comment.objects.filter(pk=made.pk).exists()
        sentences = " ".join(row["sentence"] for row in activity(told.developer, story(3)))
        assert "deleted a comment on SHOP-3" in sentences
        assert "edited a comment on SHOP-3" in sentences


def test_clients_read_and_write_only_what_is_shown_to_them(told: World) -> None:
    ruth, foreign = client_of(told), client_of(told, "brightside", "Otto Other")
    with tenant_scope(told.tenant.schema):
        inside = write_comment(actor=told.developer, item=story(1), text="Between us: @ruth-ferris pays late.")
        shown = write_comment(actor=told.developer, item=story(1), text="Dear @ruth-ferris", client_visible=True)
        owner = told.po.name.lower().replace(" ", "-")
        hers = write_comment(actor=ruth, item=story(1), text=f"Thank you, @developer and @{owner}")
        assert hers.client_visible
        assert hers.mentions == [told.po.ref], (
            "those who answer to a client can be asked by it, the others are not known"
        )
        assert [row.comment for row in inbox_of(told.po)[:1]] == [hers]
        assert list(comments_on(ruth, story(1))) == [shown, hers]
        assert [row.comment for row in inbox_of(ruth).filter(comment__in=[inside, shown])] == [shown]
        assert activity(ruth, story(1)) == []
        for act in (
            lambda: find_comment(ruth, inside.pk),
            lambda: edit_comment(actor=ruth, comment=inside, text="I read this"),
            lambda: write_comment(actor=ruth, item=story(3), text="What is this?"),
            lambda: write_comment(actor=foreign, item=story(1), text="And this?"),
            lambda: attach(actor=foreign, item=story(1), name="x", data=b"x"),
            lambda: set_watch(actor=ruth, item=story(3), watching=True),
        ):
            with pytest.raises(NotFound):
                act()
        with pytest.raises(Conflict, match="not visible to the client"):
            write_comment(actor=told.developer, item=story(3), text="Shown", client_visible=True)
        assert {who.name for who in mentionable(ruth)} == {"Ruth Ferris", "Otto Other", told.po.name}


def test_labels_are_one_per_name_renamed_merged_and_put_on(told: World) -> None:
    with tenant_scope(told.tenant.schema):
        money, cash = (create_label(actor=told.po, name=name, colour="d2") for name in ("Money", "Cash"))
        for name, colour in (("money", "idle"), ("", "idle"), ("Fine", "puce"), ("x" * 41, "idle")):
            with pytest.raises(Invalid):
                create_label(actor=told.po, name=name, colour=colour)
        set_labels(actor=told.developer, item=story(1), add=[cash])
        edit_label(actor=told.developer, label=cash, name="Coins", colour="ok", version=1)
        with pytest.raises(Stale):
            edit_label(actor=told.developer, label=cash, name="Notes", colour="ok", version=1)
        with pytest.raises(Denied):
            delete_label(actor=told.developer, label=cash)
        with pytest.raises(Denied):
            set_labels(actor=client_of(told), item=story(1), add=[money])
        delete_label(actor=told.po, label=cash, into=money)
        assert list(story(1).labels.all()) == [money]
        assert [row.reference for row in matching(told.po, StoryFilter(label=str(money.pk)))] == ["SHOP-1"]
        set_labels(actor=told.developer, item=story(1), remove=[money])
        assert not Label.objects.get(name="Money").stories.exists()


def test_somebody_of_the_team_is_made_responsible_and_told(told: World) -> None:
    with tenant_scope(told.tenant.schema):
        row = assign_story(actor=told.po, story=story(2), person=told.architect.ref)
        assert (row.assignee_name, inbox_of(told.architect).first().kind) == ("Architect", "assigned")  # type: ignore[union-attr]
        for person in (client_of(told).ref, "person:nobody", "agent:mason", "'; --"):
            with pytest.raises(Invalid):
                assign_story(actor=told.po, story=row, person=person)
        with pytest.raises(Stale):
            assign_story(actor=told.po, story=row, person="", version=1)
        assert [found.reference for found in matching(told.architect, StoryFilter(assignee="me"))] == ["SHOP-2"]


def test_files_are_bounded_named_safely_and_gone_once_deleted(told: World) -> None:
    with tenant_scope(told.tenant.schema):
        kept = attach(
            actor=told.developer, item=story(1), name="../../etc/pass\x00wd\u202egnp.exe", data=b"\x89PNG\r\n\x1a\n..."
        )
        assert (kept.name, kept.media_type) == ("passwdgnp.exe", "image/png")
        assert default_storage.exists(kept.stored)
        page = attach(actor=told.developer, item=story(1), name="x.html", data=b"<script>alert(1)</script>")
        assert page.media_type == "text/plain"
        assert list(attachments_of(client_of(told), story(1))) == []
        with pytest.raises(TooLarge):
            attach(actor=told.developer, item=story(1), name="big", data=b"x" * (MAX_BYTES + 1))
        with pytest.raises(Invalid):
            attach(actor=told.developer, item=story(1), name="none", data=b"")
        with pytest.raises(Denied):
            attach(actor=told.tenant.actor("viewer"), item=story(1), name="x", data=b"x")
        with pytest.raises(Denied, match="Only Developer"):
            delete_attachment(actor=told.qa, attachment=kept)
        stored, before = kept.stored, len(list(default_storage.listdir("attachments")[1]))
        assert before == Attachment.objects.count(), "a refused file left its bytes behind"
        delete_attachment(actor=told.developer, attachment=kept)
    told.settle()
    with tenant_scope(told.tenant.schema):
        assert not default_storage.exists(stored)


def test_search_finds_words_stems_beginnings_references_and_comments_that_one_may_read(told: World) -> None:
    with tenant_scope(told.tenant.schema):
        write_comment(actor=told.developer, item=story(1), text="The acquirer is Quibblebank.")
        said = {"acceptance": ["Given a refundable order, when it is sent back, then the card is credited"]}
        Story.objects.filter(pk=story(1).pk).update(evidence="The bank's guide to wiretransfers.", **said)
        Story.objects.filter(pk=story(2).pk).update(business_notes="They think we undersold it.")
        task = {"number": 1, "rank": 1, "role": "developer", "size": "S", "risk": "low"}
        Task.objects.create(story=story(3), reference="SHOP-3.1", title="Unscrew the drawers", **task)
        write_comment(actor=told.developer, item=story(2), text="Ask Umbrapay about it.", client_visible=True)

        def found(actor: Any, text: str) -> list[str]:
            rows = searched(stories_visible_to(actor), actor, text).order_by(*BEST_FIRST)
            return [row.reference for row in rows]

        assert found(told.po, "shopper paying") == ["SHOP-1"]
        assert found(told.po, "card") == ["SHOP-1"]
        assert found(told.po, "round") == ["SHOP-2"]
        assert found(told.po, "remov") == ["SHOP-3"]
        assert found(told.po, "shop-2")[0] == "SHOP-2"
        assert found(told.po, "quibblebank") == ["SHOP-1"]
        ruth = client_of(told)
        assert found(ruth, "quibblebank") == []
        assert found(ruth, "umbrapay") == ["SHOP-2"]
        assert found(ruth, "tills") == []
        assert found(told.po, "refundable") == ["SHOP-1"], "by what it has to do"
        assert found(ruth, "refundable") == ["SHOP-1"]
        assert found(told.po, "wiretransfer") == ["SHOP-1"], "by its evidence"
        assert found(told.po, "undersold") == ["SHOP-2"], "by its business notes"
        assert found(told.po, "unscrew") == ["SHOP-3"], "by the words of a task"
        assert found(told.po, "shoppers wiretransfer") == ["SHOP-1"], "words from several places"
        for hidden in ("wiretransfer", "undersold", "unscrew", "shoppers wiretransfer"):
            assert found(ruth, hidden) == []
        why = "Tills without drawers jam less."
        propose_decision(actor=told.po, kind="design", title="Sell the drawers", rationale=why, affects=[])
        for who, tasks, decisions in (
            (told.po, ["SHOP-3.1 Unscrew the drawers"], ["Sell the drawers"]),
            (ruth, [], []),
        ):
            assert [hit.title for hit in find_tasks(who, "unscrewing")] == tasks
            assert [hit.title for hit in find_decisions(who, "jammed tills")] == decisions
        for text in ("'", "a & | !", "((", ":*", "\\", "\0", "the", "x" * 5000, "<-> ' :a", "“"):
            found(told.po, text)
            find_tasks(told.po, text)
            find_decisions(told.po, text)


def test_filters_are_kept_as_what_they_mean(told: World) -> None:
    with tenant_scope(told.tenant.schema):
        mine = save_filter(
            actor=told.po, name=" To  move ", query="state=po_review&evil=1&text=VAT+%00&sort=drop", shared=True
        )
        assert (mine.name, mine.query) == ("To move", "state=po_review&text=VAT")
        for name, query in (("To move", "state=draft"), ("", "state=draft"), ("All", ""), ("All", "evil=1")):
            with pytest.raises(Invalid):
                save_filter(actor=told.po, name=name, query=query)
        with pytest.raises(Denied):
            save_filter(actor=client_of(told), name="Ours", query="text=x", shared=True)
        with pytest.raises(Denied):
            delete_filter(actor=told.developer, saved=mine)
        delete_filter(actor=told.po, saved=mine)


def test_many_at_once_have_an_outcome_each(told: World) -> None:
    with tenant_scope(told.tenant.schema):
        label = create_label(actor=told.po, name="Many")
        done = do_to_many(
            actor=told.developer, references=["SHOP-1", "SHOP-99", "SHOP-1"], do="label", value=str(label.pk)
        )
        assert [(row.reference, row.done, row.status) for row in done] == [
            ("SHOP-1", True, 200),
            ("SHOP-99", False, 404),
        ]
        refused = do_to_many(actor=told.developer, references=["SHOP-1"], do="move", value="approve_scope")
        assert (refused[0].done, refused[0].status) == (False, 409)
        assert "This story is in “Draft”" in refused[0].detail
        wrong: list[dict[str, Any]] = [
            {"references": []},
            {"references": [f"SHOP-{n}" for n in range(101)]},
            {"do": "delete"},
            {"do": "label", "value": "9999"},
            {"do": "priority", "value": "immense"},
            {"do": "move", "value": "fly"},
        ]
        for more in wrong:
            given: dict[str, Any] = {"references": ["SHOP-1"], "do": "assign", "value": "none", **more}
            with pytest.raises(Invalid):
                do_to_many(actor=told.developer, **given)


def test_lanes_stay_short_however_many_stories_there_are(make_tenant: Callable[..., TestTenant]) -> None:
    world = World(make_tenant())
    with tenant_scope(world.tenant.schema):
        project = Project.objects.get()
        Story.objects.bulk_create(
            Story(
                project=project, number=n, reference=f"SHOP-{n}", title=f"Story {n}", author="person:x", author_name="X"
            )
            for n in range(1, 3 * LANE)
        )
        everything = matching(world.po, StoryFilter())
        assert counts(everything) == {"draft": 3 * LANE - 1}
        assert len(lanes(everything)["draft"]) == LANE
        assert len(lanes(everything, {"draft": 2})["draft"]) == 2 * LANE
        assert numbers(world.po, StoryFilter())[""] == 3 * LANE - 1
        assert numbers(world.po, StoryFilter(text="story 7"))["mine"] == 0


def test_suggestions_are_by_handle_and_by_any_word_of_the_name(told: World) -> None:
    with tenant_scope(told.tenant.schema):
        assert [who.handle for who in suggestions(told.po, "@fer")] == ["ruth-ferris"]
        named = told.tenant.actor("qa", name="Mason")
        client = told.tenant.actor("client", name="Mason")
        by_ref = {who.ref: who.handle for who in mentionable(told.po)}
        assert [by_ref[who.ref] for who in (told.mason, named, client)] == ["mason", "mason-2", "mason-3"]
        made = write_comment(actor=told.po, item=story(3), text="@mason-2, see `@developer`\n\n    @developer\n")
        assert made.mentions == [named.ref], "what is code names nobody"
        assert [who.handle for who in suggestions(client, "mas")] in ([], ["mason-3"]), "it means the same to each"


def test_watchers_are_told_of_moves_once(tenant: TestTenant) -> None:
    world = World(tenant)
    row = world.write()
    world.settle()
    world.move(row, "submit", world.developer)
    world.settle()
    with tenant_scope(tenant.schema):
        assert not inbox_of(world.developer).exists(), "whoever moves it knows"
    world.move(row, "approve_scope", world.po)
    world.settle()
    world.settle()
    with tenant_scope(tenant.schema):
        assert [line.sentence for line in inbox_of(world.developer)] == [
            f"moved {Story.objects.get()} to Ready for planning"
        ]
        line = inbox_of(world.developer).get().pk
        before = OutboxEvent.objects.count()
        with pytest.raises(NotFound):
            read_notices(actor=world.developer, notice=line + 10_000)
        with pytest.raises(NotFound):
            read_notices(actor=world.po, notice=line)
        assert (OutboxEvent.objects.count(), read_notices(actor=world.developer, notice=line)) == (before, 1)


def test_whoever_claims_a_task_follows_it_and_is_told_why_it_comes_back(tenant: TestTenant) -> None:
    world = World(tenant)
    _, (task,) = world.committed()
    both = replace(world.developer, roles=frozenset({"developer", "architect"}))
    with world.judging():
        world.act(task, "claim_task", both)
        world.hand_in(task, "c1", actor=both)
        with tenant_scope(tenant.schema):
            assert list(pending_for(world.architect, "architect")) == [task]
            assert list(pending_for(both, "architect")) == [], "they implemented it"
            assert (waits_for(world.architect), waits_for(both)) == (1, 0)
        world.act(task, "claim_review", world.architect)
        world.act(task, "reject_design", world.architect, feedback="It loses odd cents.")
    world.settle()
    with tenant_scope(tenant.schema):
        assert is_watching(world.developer, world.fresh(task))
        lines = inbox_of(world.developer).filter(task=task).values_list("kind", "sentence")
        assert [line for line in lines if "odd cents" in line[1] or "Implementing" in line[1]] == [
            ("assigned", f"gave {task.reference} back to you: It loses odd cents.")
        ]
        Story.objects.update(state="ready_for_planning")
        assert (waits_for(world.architect), waits_for(world.po)) == (1, 0)
        for state in ("carry_over", "accepted"):
            Story.objects.update(state=state)
            assert (waits_for(world.architect), waits_for(world.po)) == (0, 1), state


def test_files_that_no_row_knows_of_are_swept_once_they_are_old(tenant: TestTenant) -> None:
    world = World(tenant)
    row = world.write()
    with tenant_scope(tenant.schema):
        assert sweep_files() == 0
        kept = attach(actor=world.developer, item=row, name="kept.txt", data=b"kept").stored
        fresh, left = (default_storage.save(f"attachments/{name}", ContentFile(b"x")) for name in ("fresh", "left"))
        for stored in (kept, left):
            os.utime(default_storage.path(stored), (0, 0))
        assert sweep_files() == 1
        assert [default_storage.exists(stored) for stored in (kept, fresh, left)] == [True, True, False]
