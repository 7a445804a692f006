"""The words that generated documentation stories are made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing to say: a sentence with one `{figure}` or `{name}`, the fact in it, and how people ask for it."""

    sentence: str
    fact: str
    asks: str
    form: str = "{}"


@dataclass(frozen=True, slots=True)
class Topic:
    """Something people look up, in the plural. No other topic's sentences name it."""

    name: str
    statements: tuple[Statement, ...]


def _topic(name: str, *statements: Statement) -> Topic:
    return Topic(name, statements)


EUROS, EVENING = "{}.50", "19:{}"
STALE = "Until the move to {name} last spring, {topic} had a limit of {figure}."
TOPICS = (
    _topic(
        "returns",
        Statement(
            "You may send an unused item back within {figure} days.", "within {figure} days", "how long there is"
        ),
        Statement("The parcel goes to the counter in {name} Lane.", "counter in {name} Lane", "where it goes"),
        Statement("Your money is on its way {figure} hours later.", "{figure} hours later", "when the money comes"),
    ),
    _topic(
        "lockers",
        Statement(
            "Whoever takes one keeps it for {figure} hours.", "keeps it for {figure} hours", "how long one is kept"
        ),
        Statement("The keys hang in the {name} room.", "hang in the {name} room", "where the keys are"),
        Statement("A lost key costs {figure} euros.", "costs {figure} euros", "what a lost key costs", EUROS),
    ),
    _topic(
        "badges",
        Statement(
            "A new one opens the gates for {figure} days.", "gates for {figure} days", "how long they open gates"
        ),
        Statement("They are made by {name} at the front desk.", "made by {name}", "who makes them"),
        Statement("No gate takes them after {figure}.", "after {figure}", "when gates close", "21:{}"),
    ),
    _topic(
        "vans",
        Statement("Each of them carries {figure} crates.", "carries {figure} crates", "how much they carry"),
        Statement("They are loaded behind {name} Hall.", "behind {name} Hall", "where they are loaded"),
        Statement("The last one leaves at {figure}.", "leaves at {figure}", "when the last one leaves", EVENING),
    ),
    _topic(
        "snapshots",
        Statement("One is taken every {figure} minutes.", "every {figure} minutes", "how often one is taken"),
        Statement("All of them are kept in the {name} vault.", "in the {name} vault", "where they are kept"),
        Statement("The oldest is dropped after {figure} weeks.", "after {figure} weeks", "when the oldest goes"),
    ),
    _topic(
        "leases",
        Statement("One lasts {figure} seconds.", "lasts {figure} seconds", "how long one lasts"),
        Statement("They are handed out by the {name} service.", "by the {name} service", "who hands them out"),
        Statement("A worker that misses {figure} beats has lost its own.", "misses {figure} beats", "how one is lost"),
    ),
    _topic(
        "tastings",
        Statement("Every one of them has {figure} seats.", "has {figure} seats", "how many seats there are"),
        Statement("They are held in the cellar of {name} House.", "cellar of {name} House", "where they are held"),
        Statement("A seat costs {figure} euros.", "seat costs {figure} euros", "what a seat costs", EUROS),
    ),
    _topic(
        "nurseries",
        Statement("Each takes {figure} children.", "takes {figure} children", "how many children there is room for"),
        Statement("The nearest stands beside {name} Bridge.", "beside {name} Bridge", "where the nearest is"),
        Statement("Their doors close at {figure}.", "close at {figure}", "when doors close", "17:{}"),
    ),
)
