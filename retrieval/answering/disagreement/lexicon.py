"""Contrasts and synonyms: words that set two claims apart (front, rear), and words that mean the same act.

Small lists of English, German and Hebrew. They only keep claims from being compared, or let differently worded ones
be; where a language is missing, the words themselves have to match. The antonyms by which a statement contradicts its
passages are others, for these lists decide and those are weighed (retrieval/answering/groundedness/negation.py).
"""

from functools import lru_cache

from retrieval.text.stems import stem

_CONTRASTS = """
front rear back | left right center centre middle | upper lower top bottom | inner outer | inlet outlet intake exhaust
main pilot auxiliary spare backup | summer winter spring autumn | day night early late | morning evening afternoon noon
monday tuesday wednesday thursday friday saturday sunday weekday weekend holiday | hot cold warm cool
indoor outdoor indoors outdoors inside outside | first second third fourth last | new used worn old refurbished
idle load loaded unloaded standby | wet dry | internal external | horizontal vertical | input output | supply return
employee apprentice trainee contractor visitor manager intern | adult child children | monthly annual
minimum maximum min max lowest highest least most | normal emergency | open closed | start stop end begin finish
domestic international abroad | full-time part-time | standard express | large small medium big heavy light
single double triple | petrol diesel electric gas | steel aluminium aluminum copper plastic brass cast | long short
before after | buy sell rent lease | gross net | basic premium professional enterprise | water oil air coolant fuel
private commercial residential | primary secondary | urban rural | inbound outbound | weekdays weekends | fast slow
deep shallow | lead-free leaded | raw finished | vorne hinten vorder hinter | links rechts | oben unten oberer unterer
innen außen | sommer winter | tag nacht früh spät frühschicht spätschicht nachtschicht | neu alt gebraucht
warm kalt heiß | ein aus | groß klein | montag dienstag mittwoch donnerstag freitag samstag sonntag | wasser öl luft
vorlauf rücklauf | mitarbeiter auszubildende azubi leiharbeiter besucher | mindest höchst | erste zweite dritte
קדמי אחורי | ימין שמאל | עליון תחתון | קיץ חורף | יום לילה בוקר ערב | חדש ישן | חם קר | ראשון שני שלישי
"""
"""Groups of words, one a line or between bars: of one thing only one word of a group holds."""
_SPECIAL = frozenset(
    "front rear left right upper lower inner outer second third fourth summer winter indoor outdoor apprentice trainee "
    "contractor visitor intern child children part-time pilot auxiliary spare backup emergency ambient secondary "
    "vorder hinter sommer winter azubi auszubildende besucher קיץ חורף אחורי קדמי".split()
)
"""Words that tell of a special case even where the other claim has none of their group."""
_SYNONYMS = """
change replace renew exchange swap changed changing replaced replacement renewed renewal swapped wechseln gewechselt
wechsel tauschen getauscht austausch ersetzen ersetzt erneuern erneuert להחליף מחליפים החלפה החלפת מוחלף
| check inspect test verify examine checked inspected tested verified inspection prüfen geprüft prüfung kontrollieren
kontrolliert kontrolle לבדוק בודקים בדיקה בדיקת נבדק נבדקת
| clean wash cleaned cleaning washed reinigen gereinigt reinigung säubern לנקות מנקים ניקוי
| lubricate grease lubricated greased lubrication greasing schmieren geschmiert schmierung
| tighten torque tightened tightening torqued anziehen angezogen anzugsmoment להדק הידוק
| drain empty drained emptied ablassen entleeren
| fill refill filled refilled top-up befüllen gefüllt
| calibrate calibrated calibration kalibrieren kalibriert kalibrierung כיול לכייל
| paint coat painted coated
| sharpen sharpened regrind
| rinse flush rinsed flushed
| allow allowed permit permitted may erlaubt zulässig gestattet מותר
| forbid forbidden prohibit prohibited banned verboten untersagt אסור
| price cost costs costing preis kostet kosten מחיר עולה fee fees charge tarif
| pay paid salary wage
| employ employs employed employees staff
| ship shipped deliver delivered delivery dispatch supply supplied lieferung geliefert
| keep kept store stored retain retained storage retention aufbewahren aufbewahrt lagern gelagert
| last lasts life lifetime duration dauert dauer lebensdauer
| weigh weighs weight wiegt gewicht
| press presse
| interval frequency often intervall
| warranty guarantee garantie gewährleistung אחריות
| people persons person personen
| room hall halle
| phone telephone extension
| capacity hold holds held carry carries carried conduct fasst fassen volume volumen contain contains
| speed rpm drehzahl
| pressure druck לחץ
| temperature temperatur טמפרטורה
| begin begins start starts opens open beginnt
| close closes closed end ends closing schließt endet closure
| maximum max maximal highest most greatest
| minimum min minimal lowest least smallest
| limit limited
| torque drehmoment
| hour operating running service
| notify notice report
| cancel cancellation
| distance gap abstand מרחק
| age alter
| high height tall hoch höhe
| deep depth tief tiefe
| wide width breit breite
| long length länge
| thick thickness dick dicke
| responsible responsibility charge verantwortlich zuständig
| valid validity expire expires expired gültig
"""
"""Groups of words for the same act or measure; the stem of the first stands for all of them."""

SHORTEST = 4
"""Letters that a stem has at the least to tell an act: `car` may be what is left of `carried`."""
_MEASURES = (
    "high deep wide long thick distance age price capacity speed pressure temperature torque weigh interval last "
    "warranty "
)


def contrast(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether the stems hold different ones of a group, as `front` and `rear`."""
    return any((mine := one & group) and (theirs := other & group) and not mine & theirs for group in _contrasts())


def special_cases(words: frozenset[str]) -> frozenset[str]:
    """The stems among these that tell of a special case."""
    return words & _special_stems()


@lru_cache(maxsize=1)
def _special_stems() -> frozenset[str]:
    return frozenset(map(canonical, _SPECIAL))


@lru_cache(maxsize=8192)
def canonical(word: str) -> str:
    """The stem of a lower-cased word; words for the same act have one in common."""
    return _acts().get(word) or _acts().get(stem(word)) or stem(word)


def is_measure(word: str) -> bool:
    """Whether a stem stands for what can be measured of a thing: one of them is not another."""
    return word in _measures()


@lru_cache(maxsize=1)
def _measures() -> frozenset[str]:
    return frozenset(map(canonical, _MEASURES.split()))


def is_act(word: str) -> bool:
    """Whether a stem stands for an act or a measure, of which there are many words."""
    return word in _act_stems()


@lru_cache(maxsize=1)
def _act_stems() -> frozenset[str]:
    return frozenset(_acts().values())


@lru_cache(maxsize=1)
def _contrasts() -> tuple[frozenset[str], ...]:
    lines = [group for line in _CONTRASTS.strip().split("\n") for group in line.split("|")]
    return tuple(frozenset(map(canonical, group.split())) for group in lines)


@lru_cache(maxsize=1)
def _acts() -> dict[str, str]:
    stems: dict[str, str] = {}
    for group in _SYNONYMS.split("|"):
        words = group.split()
        for word in words:
            stems.setdefault(word, stem(words[0]))
            if len(stem(word)) >= SHORTEST:
                stems.setdefault(stem(word), stem(words[0]))
    return stems
