"""Small passages in German and Hebrew, with statements that they bear out and statements that they don't."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """Passages as (title, text), a question that they are read for, and statements about them."""

    question: str
    passages: tuple[tuple[str, str], ...]
    true: tuple[str, ...]
    false: tuple[str, ...]


GERMAN = (
    Case(
        "Wie wird der Kompressor gewartet?",
        (
            (
                "Kompressor K-40",
                "Der Ölstand ist vor jeder Schicht zu prüfen. Der Luftfilter wird alle 250 Betriebsstunden gereinigt "
                "und alle 1000 Betriebsstunden gewechselt. Der Kompressor darf während der Wartung nicht eingeschaltet "
                "werden. Der Betriebsdruck beträgt höchstens 10 bar.",
            ),
            ("Zuständigkeit", "Für Störungen am Kompressor ist die Werkstatt Süd unter der Nummer 4417 zuständig."),
        ),
        (
            "Der Ölstand wird vor jeder Schicht geprüft.",
            "Der Luftfilter wird alle 250 Betriebsstunden gereinigt.",
            "Alle 1000 Betriebsstunden wird der Luftfilter gewechselt.",
            "Während der Wartung darf der Kompressor nicht eingeschaltet werden.",
            "Der Betriebsdruck beträgt höchstens 10 bar.",
            "Für Störungen am Kompressor ist die Werkstatt Süd zuständig.",
            "Die Werkstatt Süd hat die Nummer 4417.",
            "Der Kompressor hat einen Betriebsdruck von höchstens 10 bar.",
            "Vor jeder Schicht ist der Ölstand zu prüfen.",
        ),
        (
            "Der Luftfilter wird alle 350 Betriebsstunden gereinigt.",
            "Der Luftfilter wird alle 250 Tage gereinigt.",
            "Der Kompressor darf während der Wartung eingeschaltet werden.",
            "Der Betriebsdruck beträgt höchstens 16 bar.",
            "Für Störungen am Kompressor ist die Werkstatt Nord zuständig.",
            "Die Werkstatt Süd hat die Nummer 4471.",
            "Der Urlaub muss vier Wochen vorher beantragt werden.",
            "Der Ölstand ist vor jeder Schicht nicht zu prüfen.",
        ),
    ),
    Case(
        "Wie lange ist die Lieferzeit?",
        (
            (
                "Lieferbedingungen",
                "Standardartikel werden innerhalb von 5 Werktagen geliefert. Sonderanfertigungen brauchen 6 Wochen. Ab "
                "einem Bestellwert von 500 Euro ist der Versand kostenlos. Rücksendungen sind innerhalb von 30 Tagen "
                "möglich, bei Sonderanfertigungen nicht.",
            ),
        ),
        (
            "Standardartikel werden innerhalb von 5 Werktagen geliefert.",
            "Sonderanfertigungen brauchen 6 Wochen.",
            "Der Versand ist ab einem Bestellwert von 500 Euro kostenlos.",
            "Rücksendungen sind innerhalb von 30 Tagen möglich.",
            "Die Lieferung von Standardartikeln erfolgt innerhalb von 5 Werktagen.",
            "Ab 500 Euro Bestellwert ist der Versand kostenlos.",
        ),
        (
            "Standardartikel werden innerhalb von 8 Werktagen geliefert.",
            "Sonderanfertigungen brauchen 6 Tage.",
            "Der Versand ist ab einem Bestellwert von 50 Euro kostenlos.",
            "Rücksendungen sind innerhalb von 30 Tagen nicht möglich.",
            "Standardartikel werden innerhalb von 5 Werktagen nach Österreich geliefert.",
            "Die Kantine öffnet um zwölf Uhr.",
        ),
    ),
    Case(
        "Was bedeutet E12?",
        (
            (
                "Störungen",
                "| Code | Bedeutung | Abhilfe |\n| --- | --- | --- |\n| E12 | Motor überhitzt | 15 Minuten "
                "abkühlen lassen |\n| E17 | Türschalter defekt | Schalter tauschen |",
            ),
        ),
        ("E12 bedeutet, dass der Motor überhitzt ist.", "Bei E17 ist der Türschalter defekt.", "Motor überhitzt"),
        ("E12 bedeutet, dass der Türschalter defekt ist.", "Bei E18 ist der Türschalter defekt."),
    ),
)

HEBREW = (
    Case(
        "איך מתחזקים את המדחס?",
        (
            (
                "מדחס K-40",
                "יש לבדוק את מפלס השמן לפני כל משמרת. מסנן האוויר מנוקה כל 250 שעות עבודה ומוחלף כל 1000 שעות עבודה. "
                "אין להפעיל את המדחס בזמן התחזוקה. לחץ העבודה הוא 10 בר לכל היותר.",
            ),
            ("אחריות", "תקלות במדחס מטופלות בסדנה הדרומית בטלפון 4417."),
        ),
        (
            "מפלס השמן נבדק לפני כל משמרת.",
            "יש לבדוק את מפלס השמן לפני כל משמרת.",
            "מסנן האוויר מנוקה כל 250 שעות עבודה.",
            "את מסנן האוויר מחליפים כל 1000 שעות עבודה.",
            "אין להפעיל את המדחס בזמן התחזוקה.",
            "בזמן התחזוקה אין להפעיל את המדחס.",
            "לחץ העבודה הוא 10 בר לכל היותר.",
            "תקלות במדחס מטופלות בסדנה הדרומית.",
            "הטלפון של הסדנה הדרומית הוא 4417.",
        ),
        (
            "מסנן האוויר מנוקה כל 350 שעות עבודה.",
            "מסנן האוויר מנוקה כל 250 ימים.",
            "יש להפעיל את המדחס בזמן התחזוקה.",
            "לחץ העבודה הוא 16 בר לכל היותר.",
            "תקלות במדחס מטופלות בסדנה הצפונית.",
            "הטלפון של הסדנה הדרומית הוא 4471.",
            "בקשת חופשה מגישים ארבעה שבועות מראש.",
            "אין לבדוק את מפלס השמן לפני כל משמרת.",
        ),
    ),
    Case(
        "כמה זמן לוקח המשלוח?",
        (
            (
                "תנאי משלוח",
                "מוצרים רגילים נשלחים בתוך 5 ימי עסקים. הזמנות מיוחדות דורשות 6 שבועות. מעל 500 שקלים המשלוח חינם. "
                "אפשר להחזיר מוצרים בתוך 30 ימים, אך לא הזמנות מיוחדות.",
            ),
        ),
        (
            "מוצרים רגילים נשלחים בתוך 5 ימי עסקים.",
            "הזמנות מיוחדות דורשות 6 שבועות.",
            "המשלוח חינם מעל 500 שקלים.",
            "אפשר להחזיר מוצרים בתוך 30 ימים.",
            "משלוח של מוצרים רגילים מגיע בתוך 5 ימי עסקים.",
            "המשלוח הוא חינם בהזמנה מעל 500 שקלים.",
        ),
        (
            "מוצרים רגילים נשלחים בתוך 8 ימי עסקים.",
            "הזמנות מיוחדות דורשות 6 ימים.",
            "המשלוח חינם מעל 50 שקלים.",
            "אי אפשר להחזיר מוצרים בתוך 30 ימים.",
            "הקפיטריה נפתחת בשעה שתים עשרה.",
            "מוצרים רגילים נשלחים לאילת במטוס.",
        ),
    ),
    Case(
        "מה פירוש E12?",
        (
            (
                "תקלות",
                "| קוד | משמעות | טיפול |\n| --- | --- | --- |\n| E12 | המנוע התחמם | להמתין 15 דקות |\n"
                "| E17 | מתג הדלת תקול | להחליף את המתג |",
            ),
        ),
        ("E12 משמעו שהמנוע התחמם.", "בתקלה E17 מתג הדלת תקול."),
        ("E12 משמעו שמתג הדלת תקול.", "בתקלה E18 מתג הדלת תקול."),
    ),
)
