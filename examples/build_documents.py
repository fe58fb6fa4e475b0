"""Write the example documents that are not plain text: the PDF, the DOCX and the SQLite database.

The facts stand here, so that a change of them can be read in a diff. After a change run this file and commit
the three documents. A second run writes the same bytes (SQLite: with the same version of SQLite).
"""

import io
import sqlite3
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import docx
from docx.document import Document
from fpdf import FPDF

WRITTEN = datetime(2026, 2, 9, 8, 0, tzinfo=UTC)
COMPANY = "Wendelau Pressworks GmbH"

NORDSIEK = "Nordsiek Hydraulics"
TALBRUCK = "Talbruck Drives"
ELMHOF = "Elmhof Safety Systems"
VARNAU = "Varnau Seals"
BRANDAU = "Brandau Maschinenteile"

# fmt: off
PARTS = [
    ("WP-1001", "Main cylinder piston, 420 mm", "HP-400 press", 0, 0, "by order", NORDSIEK, 6850.00),
    ("WP-1002", "Seal kit for main cylinder", "HP-400 press", 2, 1, "A-03-2", NORDSIEK, 412.00),
    ("WP-1003", "Hydraulic hose set, complete", "HP-400 press", 1, 1, "A-05-1", NORDSIEK, 1280.00),
    ("WP-1004", "Ram guide strip, bronze", "HP-400 press", 8, 4, "A-04-1", BRANDAU, 96.50),
    ("WP-1005", "Clamping cylinder for die", "HP-400 press", 3, 2, "A-04-3", NORDSIEK, 338.00),
    ("WP-1006", "Holding valve", "HP-400 press", 1, 1, "A-02-4", NORDSIEK, 745.00),
    ("WP-1007", "Brake valve with monitored position", "HP-400 press", 2, 1, "A-02-5", NORDSIEK, 1190.00),
    ("WP-1010", "Pressure filter element, 10 micron", "PU-63 power unit", 9, 4, "B-01-1", NORDSIEK, 68.40),
    ("WP-1011", "Return filter element, 20 micron", "PU-63 power unit", 5, 2, "B-01-2", NORDSIEK, 41.20),
    ("WP-1012", "Axial piston pump, 63 cm3, complete", "PU-63 power unit", 1, 1, "B-05-1", NORDSIEK, 4980.00),
    ("WP-1013", "Shaft seal for axial piston pump", "PU-63 power unit", 3, 2, "B-02-3", VARNAU, 27.80),
    ("WP-1014", "Coupling insert, 92 Shore", "PU-63 power unit", 4, 2, "B-02-6", TALBRUCK, 19.90),
    ("WP-1015", "Bladder kit for 20 litre accumulator", "PU-63 power unit", 2, 1, "B-03-2", NORDSIEK, 365.00),
    ("WP-1016", "Pilot pump, gear type", "PU-63 power unit", 1, 1, "B-03-4", NORDSIEK, 520.00),
    ("WP-1017", "Fan motor for oil cooler, 0.75 kW", "PU-63 power unit", 1, 1, "B-04-1", TALBRUCK, 285.00),
    ("WP-1018", "Oil temperature sensor PT100", "PU-63 power unit", 3, 2, "E-01-4", ELMHOF, 74.00),
    ("WP-1020", "Light curtain, pair, 14 mm resolution", "HP-400 press", 1, 1, "E-02-1", ELMHOF, 2240.00),
    ("WP-1021", "Two-hand control button", "HP-400 press", 6, 2, "E-01-1", ELMHOF, 38.50),
    ("WP-1022", "Emergency stop button with contact block", "HP-400 press", 5, 2, "E-01-2", ELMHOF, 31.00),
    ("WP-2001", "Conveyor belt, 800 mm, endless", "CV-12 conveyor", 1, 1, "D-floor", TALBRUCK, 1460.00),
    ("WP-2002", "Tail pulley with shaft", "CV-12 conveyor", 1, 0, "D-02-1", TALBRUCK, 590.00),
    ("WP-2003", "Pulley bearing, sealed", "CV-12 conveyor", 8, 4, "D-01-3", BRANDAU, 22.40),
    ("WP-2004", "Gear motor, 2.2 kW", "CV-12 conveyor", 1, 1, "D-03-1", TALBRUCK, 1120.00),
    ("WP-2005", "Scraper blade", "CV-12 conveyor", 6, 3, "D-01-1", BRANDAU, 33.60),
    ("WP-2006", "Pull cord switch", "CV-12 conveyor", 2, 1, "E-01-3", ELMHOF, 118.00),
    ("WP-3020", "Mechanical seal, 28 mm", "CP-20 coolant pump", 4, 2, "C-01-2", VARNAU, 84.00),
    ("WP-3021", "Bearing pair for bearing bracket", "CP-20 coolant pump", 2, 2, "C-01-4", BRANDAU, 57.00),
    ("WP-3022", "Casing gasket", "CP-20 coolant pump", 10, 5, "C-01-1", VARNAU, 6.20),
    ("WP-3023", "Impeller, bronze, 160 mm", "CP-20 coolant pump", 1, 1, "C-02-1", BRANDAU, 310.00),
    ("WP-3024", "Gasket for strainer lid", "CP-20 coolant pump", 7, 3, "C-01-3", VARNAU, 9.80),
]
SUPPLIERS = [
    (NORDSIEK, "Nordsiek", "+49 30 23125 010", "orders@nordsiek.example", 10, "K-20417"),
    (TALBRUCK, "Talbruck", "+49 30 23125 030", "service@talbruck.example", 6, "118-330"),
    (ELMHOF, "Elmhof", "+49 30 23125 040", "sales@elmhof.example", 4, "WEN-01"),
    (VARNAU, "Varnau", "+49 30 23125 050", "office@varnau.example", 3, "7726"),
    (BRANDAU, "Brandau", "+49 30 23125 060", "parts@brandau.example", 5, "D-4401"),
]
# fmt: on

SAFETY_SHEET = [
    (
        "1. Product and company",
        "Product: Fluvion HV 46, hydraulic oil of viscosity class ISO VG 46, type HVLP. Use: power "
        "units PU-63 of the HP-400 presses. Manufacturer: Fluvion Lubricants AG. Emergency call of the "
        "manufacturer, day and night: +49 30 23125 099. Internal emergency number of Wendelau "
        "Pressworks: 4112.",
    ),
    (
        "2. Hazards",
        "The product is not classified as dangerous. A jet of oil under pressure can go through the "
        "skin. Such an injury looks harmless at first and is always a case for the hospital, even if "
        "there is no pain. Oil on the floor is slippery.",
    ),
    (
        "3. Composition",
        "Highly refined mineral oil with additives against wear and corrosion. Zinc content: 0.04 "
        "percent. The product holds no PCB and no chlorine.",
    ),
    (
        "4. First aid",
        "Eyes: rinse with plenty of water for 15 minutes with the lids held open, then see an eye "
        "doctor. Skin: wash with water and soap, never with thinner. Swallowed: rinse the mouth, do not "
        "make the person vomit, call a doctor. Inhaled oil mist: bring the person into fresh air.",
    ),
    (
        "5. Fire",
        "Extinguish with foam, powder or carbon dioxide. Do not use a full water jet, because it "
        "spreads the burning oil. The flash point is 215 degrees Celsius. Wear breathing apparatus in "
        "closed rooms.",
    ),
    (
        "6. Spills",
        "Keep the oil away from drains. Cover it with binder type III R, which stands in the red bin "
        "beside each power unit, wait for ten minutes and sweep it up. Spills of more than 20 litres "
        "are reported to the environment officer, extension 4450, at once.",
    ),
    (
        "7. Storage",
        "Store drums lying, between 0 and 40 degrees Celsius, in the oil store of hall 1 above the "
        "catch basin. At most four drums of 205 litres may stand in hall 2. Opened drums are used "
        "within six months.",
    ),
    (
        "8. Protective equipment",
        "Nitrile gloves of at least 0.4 mm thickness, to be changed after four hours of contact. Safety "
        "glasses when hoses or filters are opened. Change soaked clothing at once. The limit for oil "
        "mist in the air is 5 mg per cubic metre.",
    ),
    (
        "9. Physical properties",
        "Colour: amber. Density at 15 degrees Celsius: 0.872 kg per litre. Viscosity at 40 degrees "
        "Celsius: 46 mm2/s. Viscosity index: 152. Pour point: minus 39 degrees Celsius. Flash point: "
        "215 degrees Celsius.",
    ),
    (
        "10. Disposal",
        "Used oil goes into the grey tank behind hall 1, waste code 13 01 10. Oily rags, binder and "
        "filter elements go into the yellow bins with lid, waste code 15 02 02. Used oil must not be "
        "mixed with coolant.",
    ),
]

AGREEMENT = [
    (
        "Subject",
        "Nordsiek Hydraulics GmbH (the supplier) delivers spare parts for the HP-400 presses and the "
        "PU-63 power units to Wendelau Pressworks GmbH (the customer), and repairs pumps and valves. "
        "Agreement number: SA-2025-014.",
    ),
    (
        "Term",
        "The agreement runs from 1 April 2025 until 31 March 2028. It goes on for one more year each "
        "time unless one side gives notice in writing three months before its end.",
    ),
    (
        "Delivery classes",
        "The customer states the delivery class with each order. The time runs from the order's arrival "
        "at the supplier.",
    ),
    (
        "Late delivery",
        "For each working day of delay the supplier credits 2 percent of the order value, at most 10 "
        "percent. For class A the credit is 200 euros for each started period of 12 hours, in place of "
        "the percentage.",
    ),
    (
        "Emergency line",
        "The emergency line +49 30 23125 018 is staffed from Monday to Saturday, 06:00 to 22:00. At "
        "other times an answering service calls the engineer on duty, who calls back within 60 minutes. "
        "Orders over the emergency line are confirmed by mail on the same day.",
    ),
    (
        "Prices and payment",
        "The prices of the list of 1 January hold for the calendar year. When the orders of a year pass "
        "40,000 euros, the supplier pays back 8 percent of what lies above. Invoices are due after 30 "
        "days; within 14 days the customer may take off 2 percent.",
    ),
    (
        "Warranty",
        "The warranty lasts 24 months from delivery. For pumps it lasts 18 months or 6,000 operating "
        "hours, whichever ends first. It ends at once if the oil was dirtier than 19/17/14 according to "
        "ISO 4406; the customer keeps the oil sample reports as proof.",
    ),
    (
        "Returns",
        "Unopened parts may be returned within 30 days; the supplier keeps 10 percent for handling. For "
        "an old main pump that arrives within 14 days after the new one was delivered, the supplier "
        "credits 350 euros.",
    ),
    (
        "Consignment stock",
        "The supplier keeps one brake valve WP-1007 and two pressure filter elements WP-1010 as "
        "consignment stock in the customer's store, shelf A-09-1, marked with blue labels. They are "
        "counted together on the first working day of each quarter, and are paid for when they are "
        "taken.",
    ),
]
DELIVERY_CLASSES = [
    ("Class", "When", "Delivery within", "Surcharge"),
    ("A", "a press stands still", "24 hours", "15 percent"),
    ("B", "a press will stand still soon", "3 working days", "5 percent"),
    ("C", "everything else", "10 working days", "none"),
]


def write_safety_sheet(path: Path) -> None:
    """The safety data sheet of the hydraulic oil, as a PDF with real text."""
    pdf = FPDF(format="A4")
    pdf.set_creation_date(WRITTEN)
    pdf.set_title("Safety data sheet: Fluvion HV 46")
    pdf.set_author(COMPANY)
    pdf.set_auto_page_break(True, margin=20)
    pdf.add_page()
    pdf.set_font("helvetica", "B", 17)
    pdf.multi_cell(0, 9, "Safety data sheet: Fluvion HV 46", new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("helvetica", "", 10)
    pdf.multi_cell(
        0, 6, f"{COMPANY}, document SD-031, revision 2, 9 February 2026", new_x="LMARGIN", new_y="NEXT"
    )
    for heading, text in SAFETY_SHEET:
        pdf.ln(4)
        pdf.set_font("helvetica", "B", 12)
        pdf.multi_cell(0, 7, heading, new_x="LMARGIN", new_y="NEXT")
        pdf.set_font("helvetica", "", 11)
        pdf.multi_cell(0, 6, text, new_x="LMARGIN", new_y="NEXT")
    pdf.output(str(path))


def write_agreement(path: Path) -> None:
    """The agreement with the supplier of hydraulic parts, as a DOCX with heading styles and a table."""
    document = docx.Document()
    document.core_properties.title = "Supplier agreement with Nordsiek Hydraulics"
    document.core_properties.author = COMPANY
    document.core_properties.created = document.core_properties.modified = WRITTEN.replace(tzinfo=None)
    document.add_heading("Supplier agreement with Nordsiek Hydraulics", level=0)
    for number, (heading, text) in enumerate(AGREEMENT, start=1):
        document.add_heading(f"{number}. {heading}", level=1)
        document.add_paragraph(text)
        if heading == "Delivery classes":
            _add_table(document, DELIVERY_CLASSES)
    content = io.BytesIO()
    document.save(content)
    _write_with_fixed_times(content, path)


def _add_table(document: Document, rows: list[tuple[str, ...]]) -> None:
    table = document.add_table(rows=0, cols=len(rows[0]), style="Table Grid")
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text


def _write_with_fixed_times(content: io.BytesIO, path: Path) -> None:
    """Copy a ZIP archive with one time for every member, so that the same text gives the same bytes."""
    with zipfile.ZipFile(content) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(
                zipfile.ZipInfo(name, WRITTEN.timetuple()[:6]), source.read(name), zipfile.ZIP_DEFLATED
            )


def write_spare_parts(path: Path) -> None:
    """The store's database: one table of parts, one of suppliers."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "CREATE TABLE spare_part (part_number TEXT PRIMARY KEY, name TEXT NOT NULL, "
            "machine TEXT NOT NULL, "
            "stock INTEGER NOT NULL, minimum_stock INTEGER NOT NULL, shelf TEXT NOT NULL, "
            "supplier TEXT NOT NULL REFERENCES supplier (name), price_eur REAL NOT NULL)"
        )
        connection.execute(
            "CREATE TABLE supplier (name TEXT PRIMARY KEY, town TEXT NOT NULL, phone TEXT NOT NULL, "
            "contact_mail TEXT NOT NULL, delivery_days INTEGER NOT NULL, customer_number TEXT NOT NULL)"
        )
        connection.executemany("INSERT INTO spare_part VALUES (?, ?, ?, ?, ?, ?, ?, ?)", PARTS)
        connection.executemany("INSERT INTO supplier VALUES (?, ?, ?, ?, ?, ?)", SUPPLIERS)
    connection.execute("VACUUM")
    connection.close()


def main(company: Path = Path(__file__).parent / "company") -> None:
    """Write the three files into the company's folders."""
    write_safety_sheet(company / "safety" / "fluvion-hv-46.pdf")
    write_agreement(company / "purchasing" / "supplier-agreement-nordsiek.docx")
    write_spare_parts(company / "tables" / "spare-parts.sqlite")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
