"""SQL of migrations taken apart: single statements, and what each would cost a database that is in use. Pure.

The rules are PostgreSQL's, which most others share: what rewrites or scans a table holds its lock meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gpu_workers.plans.risks import Risk, sorted_risks

SHOWN = 160
MAX_SQL = 512 * 1024
READ = 4_000
"""Characters of a statement that the rules are tried on: a repository may have made it to be slow."""
TOKENS = re.compile(
    r"""
    --[^\n]* | /\*.*?(?:\*/|\Z)                         # comments
    | '(?:[^']|'')*(?:'|\Z) | "(?:[^"]|"")*(?:"|\Z)     # text and names
    | \$(?P<tag>[A-Za-z_]\w*|)\$.*?(?:\$(?P=tag)\$|\Z)  # dollar-quoted text
    | ;
    """,
    re.VERBOSE | re.DOTALL,
)
RULES: tuple[tuple[str, str, str], ...] = (
    (r"^DROP (TABLE|SCHEMA|DATABASE)\b", "high", "drops it with all its rows"),
    (
        r"^ALTER TABLE .*\bDROP COLUMN\b|^ALTER TABLE \S+ DROP (?!CONSTRAINT|COLUMN)\S+$",
        "high",
        "drops a column with its data",
    ),
    (r"^TRUNCATE\b", "high", "empties a table"),
    (r"^DELETE FROM (?!.*\bWHERE\b)", "high", "deletes every row"),
    (r"^UPDATE (?!.*\bWHERE\b)", "medium", "writes every row in one transaction"),
    (r"^(UPDATE|DELETE)\b.*\bWHERE\b", "medium", "changes rows"),
    (
        r"^ALTER TABLE .*\bALTER (COLUMN )?\S+ (SET DATA )?TYPE\b",
        "high",
        "changes a type: rewrites the table under an exclusive lock",
    ),
    (
        r"^ALTER TABLE .*\bALTER (COLUMN )?\S+ SET NOT NULL\b",
        "medium",
        "scans the table under an exclusive lock, and fails on a NULL",
    ),
    (
        r"^ALTER TABLE .*\bADD COLUMN\b(?=.*\bNOT NULL\b)(?!.*\b(DEFAULT|GENERATED)\b)",
        "high",
        "fails on a table with rows: NOT NULL without a default",
    ),
    (
        r"^ALTER TABLE .*\bADD COLUMN\b.*\b(SERIAL|BIGSERIAL|GENERATED|now\(\)|random\(\)|gen_random_uuid\(\))",
        "medium",
        "rewrites the table",
    ),
    (r"^ALTER TABLE .*\bADD COLUMN\b.*\bUNIQUE\b", "medium", "builds a unique index under an exclusive lock"),
    (
        r"^ALTER TABLE .*\bADD (CONSTRAINT \S+ )?(UNIQUE|PRIMARY KEY|EXCLUDE)\b(?!.*\bUSING INDEX\b)",
        "medium",
        "builds an index under an exclusive lock",
    ),
    (
        r"^ALTER TABLE .*\bADD (CONSTRAINT \S+ )?(FOREIGN KEY|CHECK)\b(?!.*\bNOT VALID\b)",
        "medium",
        "checks every row while writers wait",
    ),
    (r"^ALTER TABLE .*\bRENAME\b", "medium", "renames: code that runs now knows the old name"),
    (r"^CREATE (UNIQUE )?INDEX (?!CONCURRENTLY\b)", "medium", "keeps writers waiting while the index is built"),
    (r"^DROP INDEX (?!CONCURRENTLY\b)", "low", "takes an exclusive lock for a moment"),
    (r"^(LOCK|VACUUM FULL|CLUSTER|REINDEX (?!.*CONCURRENTLY))\b", "medium", "locks what it works on"),
    (r"^(GRANT|REVOKE|ALTER (DEFAULT PRIVILEGES|ROLE|USER)|CREATE (ROLE|USER))\b", "medium", "changes who may do what"),
    (r"^(DO|CALL|EXECUTE)\b", "medium", "runs code that no rule reads"),
)
KNOWN = tuple((re.compile(pattern, re.IGNORECASE), level, what) for pattern, level, what in RULES)
NEW = re.compile(r"^CREATE (?:UNLOGGED |TEMPORARY |TEMP )?TABLE (?:IF NOT EXISTS )?(\S+?)(?:\s|\(|$)", re.IGNORECASE)
ON = re.compile(
    r"^(?:ALTER TABLE (?:IF EXISTS |ONLY )*|CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?\S+ ON (?:ONLY )?|"
    r"UPDATE (?:ONLY )?|INSERT INTO |DELETE FROM (?:ONLY )?)(\S+?)(?:\s|\(|$)",
    re.IGNORECASE,
)


def statements(text: str) -> list[str]:
    """The statements of `text`, of which `MAX_SQL` characters count, without comments; what is in quotes is left whole.

    What is not closed reaches to the end, so that this takes one look at each character.
    """
    text = text[:MAX_SQL]
    found, piece, at = list[str](), list[str](), 0
    for token in TOKENS.finditer(text):
        piece.append(text[at : token.start()])
        at = token.end()
        if token[0] == ";":
            found.append("".join(piece).strip())
            piece = []
        elif not token[0].startswith(("--", "/*")):
            piece.append(token[0])
        else:
            piece.append(" ")
    found.append(("".join(piece) + text[at:]).strip())
    return [one for one in found if one]


def risks(script: Iterable[str], where: str) -> list[Risk]:
    """What the rules say of statements that run one after the other. Tables that they make are empty: no lock hurts there."""
    found: list[Risk] = []
    fresh: set[str] = set()
    for statement in script:
        flat = _flat(statement)
        if made := NEW.match(flat):
            fresh.add(made[1])
        on = ON.match(flat)
        if on and on[1] in fresh:
            continue
        hits = [Risk(level, what, f"{where}: {_short(flat)}") for rule, level, what in KNOWN if rule.search(flat)]
        found += hits
    return sorted_risks(found)


def _flat(statement: str) -> str:
    """One line, with what stands in quotes as text taken out: words in it are no SQL."""
    bare = TOKENS.sub(lambda token: token[0] if token[0].startswith('"') else "''", statement)
    return " ".join(bare.split())[:READ]


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
