"""A project is given to another client: the next one reads nothing of the one before."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import connection

from guildhall.evidence.selectors import trail
from guildhall.kernel.errors import Conflict
from guildhall.kernel.tenancy import tenant_scope
from tests.support.locks import waits_for
from tests.support.processes import until
from tests.support.tenants import TestTenant
from workflows.actions.attachments import attach
from workflows.actions.comments import write_comment
from workflows.actions.projects import edit_project
from workflows.actions.stories import edit_story
from workflows.models import Project, Story
from workflows.selectors.beside import attachments_of, comments_on
from workflows.tests.world import World

pytestmark = pytest.mark.integration


def fresh(row: Story) -> Story:
    return Story.objects.select_related("project").get(pk=row.pk)


def test_another_client_reads_nothing_that_the_one_before_was_shown(tenant: TestTenant) -> None:
    world = World(tenant)
    edit: Any = {"client": "acme"}
    with tenant_scope(tenant.schema):
        edit_project(actor=world.po, project=world.project, change=edit)
        row = world.write(client_visible=True)
        write_comment(actor=world.po, item=fresh(row), text="Dear acme", client_visible=True)
        attach(actor=world.po, item=fresh(row), name="plan", data=b"x", client_visible=True)
        for client in ("brightside", ""):
            with pytest.raises(Conflict, match="acme was shown 1 stories, 1 comments, 1 files of SHOP"):
                edit_project(actor=world.po, project=Project.objects.get(), change={"client": client})
        edit_project(actor=world.po, project=Project.objects.get(), change={"client": "brightside", "hide": True})
        assert edit_story(actor=world.po, story=fresh(row), content={"client_visible": True}).client_visible
        reader = replace(tenant.actor("client", name="Bea"), client="brightside")
        assert not list(comments_on(reader, fresh(row)))
        assert not list(attachments_of(reader, fresh(row)))
        assert [entry["sentence"] for entry in trail([row.ref]) if "client visible" in entry["sentence"]]


def test_who_hands_over_waits_for_acts_on_stories_and_stands_in_none_of_their_ways(tenant: TestTenant) -> None:
    world = World(tenant)
    given: Any = {"client": "acme"}
    with tenant_scope(tenant.schema):
        edit_project(actor=world.po, project=world.project, change=given)
        row = world.write(client_visible=True)
        project = Project.objects.get()
    login, locks = (
        os.environ["DATABASE_ADMIN_URL"],
        "SELECT 1 FROM {}.workflows_{} WHERE id = %s FOR NO KEY UPDATE NOWAIT",
    )
    schema = f'"{tenant.schema}"'

    def hand_over() -> Project:
        change: Any = {"client": "brightside", "hide": True}
        try:
            with tenant_scope(tenant.schema):
                return edit_project(actor=world.po, project=project, change=change)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, psycopg.connect(login) as editing:
        editing.execute(locks.format(schema, "story"), [row.pk])
        handing = pool.submit(hand_over)
        until(lambda: handing.done() or waits_for(login, editing), what="the other one at the story")
        editing.execute(locks.format(schema, "project"), [project.pk])
        editing.commit()
        assert handing.result(timeout=30).client == "brightside"
    with tenant_scope(tenant.schema):
        assert not fresh(row).client_visible
