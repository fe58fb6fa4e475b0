"""Web pages as people see them: what is shown is read, what is struck out or hidden is not, merged cells hold on."""

import pytest

from retrieval.loading import LoadError, ParsedDocument, load


def page(body: str, head: str = "") -> ParsedDocument:
    return load("p.html", f"<html><head>{head}</head><body>{body}</body></html>".encode())


def texts(body: str, head: str = "") -> list[str]:
    return [block.text for block in page(body, head).blocks]


def test_a_form_around_a_page_is_no_form() -> None:
    """Its text is read, and so are the values of its fields, but not the hidden ones."""
    form = (
        '<form action="x"><input type="hidden" name="state" value="secret"><h1>Fan F3</h1><p>Runs at 900 rpm.</p>'
        '<p>Owner: <input value="Hall 2"></p><p>Mode: <select><option>slow</option><option selected>fast</option>'
        '</select></p><textarea>Clean it weekly.</textarea><button>Save</button><input type="submit" value="Go"></form>'
    )
    said = texts(form)
    assert said == ["Runs at 900 rpm.", "Owner: Hall 2", "Mode: fast", "Clean it weekly."]


@pytest.mark.parametrize(
    "opener",
    [
        '<button class="accordion-button">{}</button>',
        '<button aria-expanded="false">{}</button>',
        "<h3><button>{}</button></h3>",
        "<button>{}</button>",
    ],
)
def test_the_question_on_a_button_stays_with_its_answer(opener: str) -> None:
    """Wherever a page folds its answers up."""
    document = page(opener.format("Who oils saw S4?") + "<div>The night shift</div><button>Print</button>")
    said = " ".join([*document.blocks[0].heading, *(block.text for block in document.blocks)])
    assert "Who oils saw S4? The night shift" in said
    assert "Print" not in said


def test_a_page_is_named_by_the_heading_in_its_banner() -> None:
    """Where no other heading is of the first level; else the banner is furniture."""
    document = page("<header><nav>Home</nav><h1>Fault F12</h1><p>Drive</p></header><main><p>Restart it.</p></main>")
    assert document.title == "Fault F12"
    assert [block.text for block in document.blocks] == ["Drive", "Restart it."]
    named = page("<header><h1>Plant wiki</h1></header><main><h1>Fault F12</h1><p>Restart it.</p></main>")
    assert named.title == "Fault F12"
    assert "wiki" not in str(named.blocks)


def test_frames_are_reported() -> None:
    """Whatever stands in them is another page."""
    head = b"<html><head><title>Book</title></head>"
    frames = head + b"<frameset><frame src='menu.html'><noframes>Sorry</noframes></frameset></html>"
    with pytest.raises(LoadError, match=r"menu\.html"):
        load("a.html", frames)


@pytest.mark.parametrize(
    "hidden",
    [
        "<s>20 bar</s>",
        "<del>20 bar</del>",
        '<span style="text-decoration: line-through">20 bar</span>',
        '<span style="display:none">20 bar</span>',
        '<span style="color:red; visibility : hidden">20 bar</span>',
        "<span hidden>20 bar</span>",
        '<span class="old">20 bar</span>',
        '<i id="gone">20 bar</i>',
    ],
)
def test_what_is_struck_out_or_hidden_is_not_read(hidden: str) -> None:
    """By its element, its style or the page's own style sheet."""
    head = "<style>.old, p.x { display: none } #gone{visibility:hidden} @media print {.seen{display:none}}</style>"
    assert texts(f'<p>Set {hidden} <ins>30 bar</ins> <span class="seen">today</span></p>', head) == ["Set 30 bar today"]


def test_raised_numbers_stay_raised() -> None:
    """10⁵ is not 105; letters and the numbers of notes change no value."""
    raised = "<p>2·10<sup>-6</sup> m<sup>3</sup>, H<sub>2</sub>O, x<sup>2+n</sup>, x<sup>2+k</sup>, 1<sup>st</sup></p>"
    assert texts(raised) == ["2·10⁻⁶ m³, H₂O, x²⁺ⁿ, x^(2+k), 1st"]


def test_merged_cells_hold_in_all_their_places() -> None:
    """Down and across, under a header of two rows; a line across the table stands once."""
    table = (
        "<table><thead><tr><th rowspan=2>Hall</th><th colspan=2>Shift</th></tr>"
        "<tr><th>Day</th><th>Night</th></tr></thead>"
        "<tr><td colspan=3>Ground floor</td></tr><tr><td rowspan=2>H1</td><td>Ada</td><td>Ben</td></tr>"
        "<tr><td colspan=2>Cem</td></tr><tr><td>H2</td><td>Dot</td><td rowspan=9>Eve</td></tr></table>"
    )
    assert texts(table) == [
        "| Hall | Shift Day | Shift Night |\n| Ground floor |  |  |\n| H1 | Ada | Ben |\n| H1 | Cem | Cem |\n"
        "| H2 | Dot | Eve |"
    ]
