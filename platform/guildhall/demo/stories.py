"""What the demo's people want done."""

from decimal import Decimal

from workflows.actions.stories import Content

READY: Content = {
    "size": "S",
    "priority": "normal",
    "risk_labels": ["docs"],
    "depends_on": [],
    "budget_usd": Decimal("0.50"),
}

RETURNS: Content = {
    **READY,
    "title": "Add an FAQ entry about returns",
    "brief": (
        "Customers ask every day how returns work. Add an entry about returns to docs/faq.md that answers them"
        " from our returns policy."
    ),
    "evidence": (
        "You can return any unused item within 30 days of delivery."
        " Returns are free with the label in the parcel."
        " We refund you within 5 working days of receiving the item."
    ),
    "acceptance": [
        "Given the FAQ, when a customer looks for returns, then it says how long they have, what it costs"
        " and when they get their money back"
    ],
}
ROUNDING: Content = {
    **READY,
    "risk_labels": [],
    "title": "Round VAT on each line of a basket",
    "brief": (
        "Customers are charged a penny too little when a basket has several lines: VAT is rounded once for the"
        " whole basket, and downwards, instead of half up on each line."
    ),
    "acceptance": ["Given two lines of 333 pence, when the total is taken, then it is 800 pence"],
}
