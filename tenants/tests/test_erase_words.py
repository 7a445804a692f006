"""The command by which an operator has a person's words in a trail forgotten: theirs, here, and nobody else's."""

import io

import pytest
from django.core.management import CommandError, call_command

from guildhall.evidence import auditing, selectors
from guildhall.evidence.tests.poking import poke, report, seal
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
REASON = "They asked for it in writing."


def erase(slug: str, person: str, reason: str = REASON) -> str:
    out = io.StringIO()
    call_command("erase_words", slug, person, reason=reason, stdout=out)
    return out.getvalue()


def test_an_operator_has_the_words_of_one_person_forgotten(
    residents: tuple[TestTenant, TestTenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = residents
    leaver, stays = here.member("developer", name="Leaver"), here.member("developer", name="Remains")
    with tenant_scope(here.schema):
        for number in range(3):
            poke(actor=leaver.actor, times=number)
        poke(actor=stays.actor, times=1)
        newest = selectors.recent(limit=1)[0]["id"]
    for slug, person, reason, said in (
        ("nobody-there", leaver.email, REASON, "no open or suspended tenant 'nobody-there'"),
        (elsewhere.slug, leaver.email, REASON, f"no entry of {leaver.actor.ref}; nothing was erased"),
        (here.slug, "nobody@example.org", REASON, "Nobody signs in with 'nobody@example.org'. Give an e-mail address"),
        (here.slug, "person:none", REASON, "no entry of person:none; nothing was erased"),
        (here.slug, "agent:mason", REASON, "Nobody signs in with 'agent:mason'"),
        (here.slug, leaver.email, "  ", "Name a person and say why"),
    ):
        with pytest.raises(CommandError, match=said):
            erase(slug, person, reason)
    with tenant_scope(here.schema):
        assert not selectors.recent(kinds=["evidence.payloads.erased"], subject=leaver.actor.ref)
    monkeypatch.setattr(auditing, "MOST_ERASED", 2)
    assert f"What 3 entries of {leaver.actor.ref} in {here.slug} say" in erase(here.slug, leaver.email.upper())
    assert "What 0 entries" in erase(here.slug, leaver.actor.ref), "they were asked for already"
    seal()
    with tenant_scope(here.schema):
        assert [line["erased"] for line in selectors.recent(actor=leaver.actor.ref)] == [True] * 3
        assert [line["erased"] for line in selectors.recent(actor=stays.actor.ref)] == [False]
        asked = selectors.recent(kinds=["evidence.payloads.erased"], subject=leaver.actor.ref)
        assert {(line["actor"]["ref"], line["reason"]) for line in asked} == {("system:console", REASON)}
        assert newest in [line["id"] for line in selectors.recent(limit=50)], "entries stay"
    found = report(here)
    assert (found.broken, found.erased >= 3) == (None, True)
