"""Documentation tasks of three projects, with other facts and other layouts."""

from __future__ import annotations

from dataclasses import dataclass

from gpu_workers.brief import TaskBrief


@dataclass(frozen=True)
class Story:
    name: str
    task: TaskBrief
    target: str
    files: dict[str, str]
    facts: tuple[str, ...]
    absent: tuple[str, ...]


SHOP = Story(
    "shop",
    TaskBrief(
        "Add an FAQ entry about returns",
        "Customers keep asking how they can send something back.",
        ("It names the time to return an item", "It says who pays for the parcel and when the refund comes"),
        "You can return any unused item within 30 days of delivery. Returns are free with the label in the parcel. "
        "We refund you within 5 working days of receiving the item.",
    ),
    "docs/faq.md",
    {
        "docs/faq.md": "# FAQ\n\n## How long does delivery take?\n\nIt takes two days.\n\n## Which cards do you take?\n\n"
        "We take Visa.\n",
        "docs/policies/returns.md": "# Returns\n\nYou can return any unused item within 30 days of delivery. Returns are "
        "free with the label in the parcel.\nWe refund you within 5 working days of receiving the item. Personalised "
        "items cannot be returned.\n",
        "docs/policies/delivery.md": "# Delivery\n\nIt takes two days. We take Visa.\n",
    },
    ("within 30 days of delivery", "free with the label", "5 working days"),
    (),
)

CLINIC = Story(
    "clinic",
    TaskBrief(
        "Document parking for visitors in handbook/visitors.rst",
        "The front desk answers this ten times a day; see facts/site.md.",
        ("States the price of parking", "States when the barrier closes"),
        "facts/site.md",
    ),
    "handbook/visitors.rst",
    {
        "handbook/visitors.rst": "Visitors\n========\n\nOpening hours\n-------------\n\nWe open at 8.\n\nChildren\n--------\n\n"
        "Children are welcome.\n\n.. _map: map.png\n",
        "facts/site.md": "# Site\n\n## Canteen\n\nThe canteen serves lunch from 12 to 14.\n\n## Parking\n\n- Visitors park "
        "behind building C.\n- Parking costs 1.50 euros per hour.\n- The barrier closes at 22:00.\n\nWe open at 8. "
        "Children are welcome.\n",
    },
    ("behind building C", "1.50 euros per hour", "closes at 22:00"),
    ("canteen",),
)

GLOSSARY = Story(
    "glossary",
    TaskBrief(
        "Add a glossary term for lease",
        "New people mix it up with locks.",
        ("Says how long a lease lasts",),
        "notes/scheduler.txt: A lease lasts 30 seconds and is renewed every 10 seconds.\n"
        "notes/scheduler.txt: A worker that loses its lease stops at once.\n",
    ),
    "GLOSSARY.md",
    {
        "GLOSSARY.md": "# Glossary\n\n- **Fence** - A fence is a growing number.\n- **Queue** - A queue holds waiting jobs.\n"
        "- **Worker** - A worker carries jobs out.\n",
        "notes/scheduler.txt": "Scheduler\n\nA fence is a growing number. A queue holds waiting jobs. A worker carries jobs "
        "out.\n\nA lease lasts 30 seconds and is renewed every 10 seconds. A worker that loses its lease stops at once. "
        "Jobs are tried five times.\n",
    },
    ("lasts 30 seconds", "stops at once"),
    ("five times",),
)
