"""What secrets look like: published formats of keys and tokens, addresses with passwords, and values given to telling names.

A scanner's plug-in list (detect-secrets, gitleaks) finds more kinds, a line at a time, at a thousand times the cost and
without saying where; this runs on every stored row and log line, so each expression is anchored on a literal and bounded.
"""

import re

PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
PEM_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")

KEYS = re.compile(
    r"(?<![0-9A-Za-z_])(?=[0-9AGSadeghnprswxy])(?:"
    + "|".join(
        (
            r"(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ABIA)[0-9A-Z]{16}(?![0-9A-Z])",
            r"gh[opsur]_[0-9A-Za-z]{20,255}",
            r"github_pat_[0-9A-Za-z_]{20,255}",
            r"gl(?:pat|dt|rt|ptt|soat|cbt)-[0-9A-Za-z_.-]{16,255}",
            r"ghr?_[0-9A-Za-z_-]{43}(?![0-9A-Za-z_-])",
            r"xox[abeoprs]-[0-9A-Za-z-]{10,255}",
            r"xapp-[0-9]-[0-9A-Za-z-]{10,255}",
            r"sk-(?:[a-z]{2,12}-)?(?:[a-z0-9]{2,8}-)?[0-9A-Za-z_-]{20,255}",
            r"(?:[rs]k_(?:live|test)|whsec)_[0-9A-Za-z+/=]{16,255}",
            r"AIza[0-9A-Za-z_-]{35}",
            r"GOCSPX-[0-9A-Za-z_-]{20,64}",
            r"ya29\.[0-9A-Za-z_-]{20,1024}",
            r"npm_[0-9A-Za-z]{36}",
            r"pypi-AgE[0-9A-Za-z_-]{40,1024}",
            r"hf_[0-9A-Za-z]{30,64}",
            r"SG\.[0-9A-Za-z_-]{16,64}\.[0-9A-Za-z_-]{16,64}",
            r"SK[0-9a-f]{32}(?![0-9a-f])",
            r"do[opr]_v1_[0-9a-f]{64}",
            r"shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32}",
            r"dckr_pat_[0-9A-Za-z_-]{20,64}",
            r"dapi[0-9a-f]{32}",
            r"hv[sbr]\.[0-9A-Za-z_-]{24,255}",
            r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
            r"[0-9]{8,10}:AA[0-9A-Za-z_-]{33}",
            r"eyJ[0-9A-Za-z_-]{8,4096}\.[0-9A-Za-z_-]{8,8192}\.[0-9A-Za-z_-]{8,1024}",
        )
    )
    + ")"
)
SLACK_HOOK = re.compile(r"(hooks\.slack\.com/(?:services|workflows)/)([0-9A-Za-z/_-]{20,255})")
HEADER = re.compile(r"(?i)(\b(?:bearer|basic|token)\s+)([0-9a-z._~+/-]{16,4096}=*)")
COOKIE = re.compile(r"(?i)(\b(?:set-)?cookie[\"']?\s*:\s*[\"']?[\w.-]{1,64}=)([^\s;,\"']{8,4096})")
ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]{1,30}://[^\s:/@]{0,255}:)([^\s/]{1,512})(@)", re.IGNORECASE)
BLOCK = re.compile(r"(?:^[ +-]?[0-9A-Za-z+/]{60,76}={0,2}[ \t\r]*\n){3,}", re.MULTILINE)
"""Lines of a key's body without its first line, as a diff or a cut output shows them."""

_NAMES = (
    r"pass(?:word|wd|phrase)|pwd|secret|api[_-]?key|account[_-]?key|access[_-]?key|auth[_-]?token|access[_-]?token"
    r"|refresh[_-]?token|private[_-]?key|signing[_-]?key|encryption[_-]?key|credential"
)
ASSIGNED = re.compile(
    rf"""(?ix)
    ( (?<![\w.-]) [\w.-]{{0,80}}? (?P<name> {_NAMES} | token ) (?P<rest> [\w.-]{{0,40}} ) \\{{0,3}}["']?
      [ \t]* (?: = | : (?!//) ) [ \t]* (?: [!&][^\s"']{{0,60}} [ \t]+ (?=["'\w]) ){{0,2}} )
    (?: (?P<quote> \\{{0,3}}["'] ) (?: (?P<quoted> [^\r\n]{{4,512}}? ) (?P<end> (?P=quote) )
        | (?P<open> (?![\s,;:)}}\]>]) [^\r\n"']{{4,512}} ) (?= [\r\n] | \Z ) )
      | (?P<bare> [^\s"'\\,;(){{}}\[\]<>]{{6,512}} ) )
    """
)
"""A quote that its line does not close reaches to the end of it: output is cut there, and YAML folds there."""
_HEAD = rf"""
    ^ (?P<indent> [+-]? [ \t]*+ ) (?: -[ ]++ )* ["']? [\w.-]{{0,80}}? (?: {_NAMES} | token ) (?P<rest> [\w.-]{{0,40}} ) ["']?
      [ \t]*+ : [ \t]*+ (?: [!&]\S{{0,60}} [ \t]++ ){{0,2}} (?P<block> [|>][-+0-9]{{0,2}} )? [ \t]*+ \r? \n
"""
_DEEPER, _BLANK = r"(?P=indent) [ \t]++ [^\s] [^\n]*+", r"[ \t]*+ \r?"
BELOW = re.compile(rf"(?imx) ( {_HEAD} ) (?P<value> (?: {_DEEPER} (?: \n | \Z ) | {_BLANK} \n ){{1,64}} )")
"""A value that YAML has on the lines below its name. What is read blank by blank is given back to no other part of it: two
parts that could share a run of blanks would try each way to."""
OPEN_BELOW = re.compile(
    rf"""(?imx) {_HEAD} (?> (?: {_BLANK} \n ){{0,63}} )
    (?(block) (?> (?: {_DEEPER} \n | {_BLANK} \n ){{0,63}} ) | (?> (?: {_DEEPER} \n (?: {_BLANK} \n ){{0,63}} )? ) )
    (?: {_DEEPER} | [+-]? {_BLANK} ) \Z
    """
)
"""The same where the text ends and the value may go on: one that no mark of YAML announces is one line. Lines are repeated in
atomic groups: one that is repeated with a `+` of its own misses matches in early releases of Python 3.11, Debian's among them."""
_NAMED = rf"""
    \b name ["']? [ \t]*+ : [ \t]*+ ["']? [\w.-]{{0,80}}? (?: {_NAMES} | token ) (?P<rest> [\w.-]{{0,40}} ) ["']? [ \t]*+
"""
PAIRED = re.compile(
    rf"""(?imx)
    ( {_NAMED} (?: , [ \t]*+ | ,? [ \t\r]*+ \n [+-]? [ \t]*+ ) ["']? value ["']? [ \t]*+ : [ \t]*+ ["']? )
    (?P<value> [^\s"',{{}}\[\]] [^\r\n"',}}\]]{{3,512}} )
    """
)
"""A variable's name and its value, as lists of them have both."""
OPEN_PAIR = re.compile(rf"(?imx) {_NAMED} ,? [ \t\r]*+ \n [^\n]*+ \Z")
"""The name, where the line that may have the value has not ended."""
REFERS = re.compile(r"(?i)(?:name|ref|file|path|dir|class|(?:auth|tls|ssl)-secret)[\"'\\\s:=]*\Z")
"""How the name of a field ends that says where a secret is, not what it is: `secretName`, `PASSWORD_FILE`, an Ingress'
`auth-tls-secret`. Its value is let through where it reads like a reference."""
SHELL = re.compile(r"\A[A-Z0-9_]*=\Z")
"""The left side of an assignment as shells and environment files write it: what follows is a value, never code."""
WORD = re.compile(r"[A-Za-z]+\Z")

TELLING = re.compile(rf"(?i)(?:^|[_.-])(?:{_NAMES}|token|authorization|set-cookie|cookie)$")
"""Names of fields whose text is a secret whatever it looks like."""

HARMLESS = re.compile(
    r"(?ix) \A (?: string | str | text | password | secret | token | null | none | true | false | required | optional"
    r" | changeme | example | \*+ | x+ | \.{3} | …"
    r" | [a-z]+_(?:[a-z]+_)*(?:secret|key|token|password) | (?:secret|token|password|key)(?:_[a-z]+)+"
    r" | \$\{?.* | \{\{.* | \{[\w.]*\} | <.*> | %\(.*\)s | %s | os\.environ.* | env[.:(].* | process\.env.* | vault:.*"
    r" | (?:\d{1,18} | \*):(?:hour|day|total) ) \Z"
)
"""Values that only stand where a secret would, the numbers of API keys in references to their limits among them."""

DIGEST = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The whole of a value that is a hash, a commit or an id."""
GIVEN = re.compile(r"([\w.-]{1,60})[\"']?[ \t]*+[:=][ \t]*+(?:[|>][-+0-9]{0,2}|[!&]\S{0,60}|[\"'])?[ \t\r]*\Z")
"""The name on the left of a value, or above it."""
PLACE = re.compile(r"(?:\{.*\}|\$.*|<.*>|\*+|%\(.*\)s|\[redacted\])\Z")
HINTS = ("pass", "pwd", "secret", "key", "token", "credential")
"""One of them is in every name of `ASSIGNED`, in small letters."""
PLAIN = re.compile(r"[A-Za-z_][A-Za-z_.]*\Z")
"""A name or a call: code, not a value."""

WORDS = re.compile(r"[/._-]+")
SAID = re.compile(r"[a-z]{1,20}|[A-Z]{1,20}|[A-Z]?[a-z]{2,12}(?:[A-Z][a-z]{2,12}){1,3}|[0-9]{1,8}")
"""One word or number of a reference."""
NUMBERED = re.compile(r"[a-z]{1,10}[0-9]{1,4}|[a-z]{1,4}[0-9]{1,3}[a-z]{1,4}")
"""A word with a number (`db2`, `k8s`, `sha256`), of which a reference has two at most: a key in groups has more."""
UNSAID = re.compile(r"(?i)[bcdfghjklmnpqrstvwxz]{6}")
"""More consonants than a word has."""
HASHED = re.compile(r"\A(.+)-[2456789bcdfghkmt]{10}\Z")
"""A name with the hash that Kustomize gives to what it generates."""


def is_reference(value: str) -> bool:
    """Whether a value reads like the name or the path of something: words and few numbers, and nothing that is random."""
    kept = hashed[1] if (hashed := HASHED.match(value)) else value
    words = [one for one in WORDS.split(kept.removeprefix("~")) if one]
    numbered = [one for one in words if not SAID.fullmatch(one)]
    fit = all(NUMBERED.fullmatch(one) for one in numbered) and not any(map(UNSAID.search, words))
    return (
        0 < len(words) <= 12 and len(value) <= 253 and fit and len(numbered) <= 2 and sum(map(str.isdigit, kept)) <= 10
    )


def is_random(value: str) -> bool:
    """Whether a value without quotes, or one that is only called a token, is too mixed to be a word, a size or a count."""
    kinds = sum(bool(re.search(kind, value)) for kind in (r"[a-z]", r"[A-Z]", r"[0-9]"))
    return len(value) >= 16 and kinds >= 2 and len(set(value)) >= 8
