"""What a text denies and what is the opposite of a word: signs of contradiction between a statement and its evidence.

The lists are short and of several languages; whether and how much they count is learned, none of them decides alone.
"""

DENIALS = frozenset(
    # English; "n't" is looked for at the end of a word
    "no not never none cannot without neither nor nobody nothing unable dont doesnt isnt wont cant "
    # German
    "nicht kein keine keinen keiner keinem keines nie niemals ohne weder nichts "
    # Hebrew
    "לא אי אין אינו אינה אינם אינן ללא בלי אל אסור "
    # French, Spanish, Italian, Dutch, Swedish
    "ne pas jamais sans aucun aucune sin nunca ningún ninguna tampoco non senza mai niet geen nooit "
    "zonder inte ej aldrig utan ingen inga inget".split()
)

_PAIRS = """
enable disable|enabled disabled|enables disables|allow deny|allowed denied|allow forbid|allowed forbidden
allow prevent|allows prevents|increase decrease|increases decreases|increased decreased|open close|opens closes
opened closed|open closed|start stop|starts stops|above below|over under|before after|more less|more fewer
maximum minimum|max min|highest lowest|higher lower|high low|left right|true false|always never|with without
required optional|mandatory optional|include exclude|includes excludes|included excluded|accept reject
accepts rejects|accepted rejected|public private|internal external|add remove|added removed|success failure
succeeds fails|on off|up down|first last|earlier later|earliest latest|old new|older newer|inside outside
connect disconnect|lock unlock|locked unlocked|encrypted unencrypted|install uninstall|hot cold|hard soft|fast slow
longer shorter|long short|large small|larger smaller|raise lower|positive negative|active inactive|valid invalid
manual automatic|manually automatically|male female|free paid|many few|agree disagree|possible impossible
wet dry|full empty|loosen tighten|clockwise anticlockwise|upper lower|front rear|input output|buy sell|win lose
einschalten ausschalten|ein aus|öffnen schließen|offen geschlossen|vor nach|mehr weniger|höher niedriger
maximal minimal|links rechts|oben unten|immer nie|mit ohne|erlaubt verboten|zulässig unzulässig|erhöhen verringern
über unter|warm kalt|lösen anziehen|vorne hinten|heiß kalt|starten stoppen|größer kleiner
לפני אחרי|פתוח סגור|מעל מתחת|יותר פחות|ימין שמאל|מותר אסור|עם בלי|להפעיל לכבות|גבוה נמוך|חם קר|תמיד לעולם
"""


def denies(form: str) -> bool:
    """Whether a word, in its form, denies what stands near it."""
    return form in DENIALS or form.endswith("n't")


def _opposites() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for pair in _PAIRS.replace("\n", "|").split("|"):
        if pair.strip():
            one, other = pair.split()
            found.setdefault(one, set()).add(other)
            found.setdefault(other, set()).add(one)
    return {word: frozenset(others) for word, others in found.items()}


OPPOSITES = _opposites()
_UNDOING = ("un", "in", "im", "ir", "non", "dis", "de", "nicht", "a", "anti")


def opposites(form: str) -> frozenset[str]:
    """The listed opposites of a word, and itself with or without a prefix that undoes it."""
    found = OPPOSITES.get(form, frozenset())
    made = {prefix + form for prefix in _UNDOING[:6] if len(form) >= 5}
    bare = {form[len(p) :] for p in _UNDOING[:6] if form.startswith(p) and len(form) - len(p) >= 5}
    return found | made | bare
