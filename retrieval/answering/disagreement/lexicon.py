"""Words that set statements apart, and words that mean the same action: what comparing two statements needs to know.

Small lists of English, German and Hebrew. They only keep statements from being compared, or let differently worded ones
be; where a language is missing, the words themselves have to match.
"""

import re
from functools import lru_cache

_ASIDE = """
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
"""Each line or group between bars: of one thing only one of them holds."""
_MARKED = frozenset(
    "front rear left right upper lower inner outer second third fourth summer winter indoor outdoor apprentice trainee "
    "contractor visitor intern child children part-time pilot auxiliary spare backup emergency ambient secondary "
    "vorder hinter sommer winter azubi auszubildende besucher קיץ חורף אחורי קדמי".split()
)
"""Those that tell of a special case even where the other statement has none of the group."""
_ALIKE = """
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
"""Each group: words for the same act or measure."""

SHORTEST = 4
"""Letters of a stem that tells an act: `car` may be what is left of `carried`."""
_MEASURES = (
    "high deep wide long thick distance age price capacity speed pressure temperature torque weigh interval last "
    "warranty "
)
_ENDINGS = re.compile(r"(?:ingly|edly|ings|ing|ies|ied|ers|ed|es|en|er|em|ly|s|e|n)$")
_HEBREW = re.compile(r"[א-ת]")
_DOUBLED = re.compile(r"([bdglmnprt])\1$")


def apart(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether the stems hold different ones of a group, as `front` and `rear`."""
    return any((mine := one & group) and (theirs := other & group) and not mine & theirs for group in _groups_aside())


def special(words: frozenset[str]) -> frozenset[str]:
    """The stems among these that tell of a special case."""
    return words & _marked()


@lru_cache(maxsize=1)
def _marked() -> frozenset[str]:
    return frozenset(map(canonical, _MARKED))


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


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """Without its ending; a Hebrew word without the letter that stands before it. A word with digits is left as it
    is.
    """
    if any(map(str.isdigit, word)):
        return word
    if _HEBREW.search(word):
        bare = word[1:] if len(word) > 3 and word[0] in "והבלכמש" else word
        return re.sub(r"(?:ים|ות|ית|ה|ת)$", "", bare) if len(bare) > 4 else bare
    cut = _ENDINGS.sub("", word) if len(word) > 4 else word.removesuffix("s") if len(word) > 3 else word
    return _DOUBLED.sub(r"\1", cut) if len(cut) >= 3 else word


@lru_cache(maxsize=1)
def _groups_aside() -> tuple[frozenset[str], ...]:
    lines = [group for line in _ASIDE.strip().split("\n") for group in line.split("|")]
    return tuple(frozenset(map(canonical, group.split())) for group in lines)


@lru_cache(maxsize=1)
def _acts() -> dict[str, str]:
    found: dict[str, str] = {}
    for group in _ALIKE.split("|"):
        words = group.split()
        for word in words:
            found.setdefault(word, stem(words[0]))
            if len(stem(word)) >= SHORTEST:
                found.setdefault(stem(word), stem(words[0]))
    return found
