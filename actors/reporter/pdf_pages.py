"""The report on paper: A4, by fpdf2, in the typeface that comes with matplotlib; told by words, not by colour."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from fpdf import FPDF
from fpdf.fonts import FontFace, TTFFont

from actors.reporter.content import DIGEST, Picture, Report, Section, Table, figure_rows
from actors.reporter.levels import Level

_FAMILY = "DejaVu"
_MARKS = {Level.PASS: "✓", Level.REVIEW: "△", Level.FAIL: "✗"}
_SHADES = {
    Level.REVIEW: FontFace(emphasis="BOLD", fill_color=242),
    Level.FAIL: FontFace(emphasis="BOLD", fill_color=220),
}
_HEAD = FontFace(emphasis="BOLD", fill_color=230)
_DIGEST_STYLE = FontFace(size_pt=6.0)
"""A SHA-256 on one line."""
_TEXT_PT = 8.5
_SMALL_PT = 7.0
_LINE_MM = 4.4
_LEAST_ROOM_MM = 30.0
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""CreationDate of every report: the same result gives the same bytes; when it was made stands in the ledger."""


class _Paper(FPDF):
    def __init__(self, case: str, headline: str) -> None:
        super().__init__(format="A4")
        self._foot = f"case {case}: {headline}"
        for style, name in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
            self.add_font(_FAMILY, style, str(_fonts() / name))
        self.set_margin(15)
        self.set_auto_page_break(True, margin=16)
        self.set_creation_date(_EPOCH)
        self.set_producer("MQI Communicator")
        self.set_title(f"Report of case {case}")

    def footer(self) -> None:
        self.set_y(-12)
        self.set_font(_FAMILY, "", _SMALL_PT)
        self.cell(0, 4, f"{self._foot}    page {self.page_no()} of {{nb}}", align="R")


def pages(report: Report) -> bytes:
    """The PDF; the same report gives the same bytes."""
    paper = _Paper(report.case, report.headline)
    paper.add_page()
    _front(paper, report)
    for section in report.sections:
        _section(paper, section)
    return bytes(paper.output())


def _fonts() -> Path:
    import matplotlib  # noqa: PLC0415 - only its folder is wanted

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def _front(paper: _Paper, report: Report) -> None:
    _words(paper, f"Report of case {report.case}", 13, bold=True, after=2)
    top = paper.get_y()
    paper.set_xy(paper.l_margin + 3, top + 3)
    inner = paper.epw - 6
    _words(paper, f"{_MARKS[report.verdict]} {report.headline}", 15, bold=True, width=inner, after=1, left=3)
    _words(paper, report.basis, _TEXT_PT, width=inner, after=1, left=3)
    for level, sentence in report.reasons:
        _words(paper, f"{_MARKS[level]} {sentence}", _TEXT_PT, width=inner, left=3)
    bottom = paper.get_y() + 2
    if bottom > top:  # all of it is on one page
        paper.set_line_width(1.2 if report.verdict is Level.FAIL else 0.6)
        paper.rect(paper.l_margin, top, paper.epw, bottom - top)
        paper.set_line_width(0.2)
    paper.set_y(bottom + 3)
    rows = tuple(report.identity)
    _table(paper, Table("", ("", ""), rows, (None,) * len(rows), widths=(28, 72)), heading=False)


def _section(paper: _Paper, section: Section) -> None:
    if paper.will_page_break(_room_of(paper, section)):
        paper.add_page()
    paper.ln(4)
    _words(paper, section.title, 11, bold=True)
    paper.line(paper.l_margin, paper.get_y(), paper.w - paper.r_margin, paper.get_y())
    paper.ln(1.5)
    for text in section.paragraphs:
        _words(paper, text, _TEXT_PT, after=1.2)
    if section.figures:
        columns = ("figure", "value", "tolerance / action", "level")
        levels = tuple(figure.level for figure in section.figures)
        _table(paper, Table("", columns, figure_rows(section.figures), levels, widths=(46, 27, 19, 8)))
    _pictures(paper, section.pictures)
    for table in section.tables:
        if table.title:
            if paper.will_page_break(_LEAST_ROOM_MM):
                paper.add_page()
            paper.ln(1.5)
            _words(paper, table.title, 9, bold=True)
        _table(paper, table)
        if table.note:
            _words(paper, table.note, _SMALL_PT, after=1)


def _room_of(paper: _Paper, section: Section) -> float:
    """A heading does not stand apart from what follows it (mm)."""
    if section.paragraphs or section.figures or not section.pictures:
        return _LEAST_ROOM_MM
    first = section.pictures[0]
    return _LEAST_ROOM_MM + _height(first, paper.epw if first.wide else paper.epw / 2)


def _words(
    paper: _Paper, text: str, size: float, *, bold: bool = False, width: float = 0, after: float = 0, left: float = 0
) -> None:
    paper.set_x(paper.l_margin + left)
    paper.set_font(_FAMILY, "B" if bold else "", size)
    paper.multi_cell(width, size * 0.5, _known(paper, text), align="L", new_x="LMARGIN", new_y="NEXT")
    if after:
        paper.ln(after)


def _table(paper: _Paper, table: Table, *, heading: bool = True) -> None:
    paper.set_font(_FAMILY, "", _SMALL_PT)
    with paper.table(
        col_widths=table.widths or None,
        line_height=3.6,
        padding=0.6,
        text_align="LEFT",
        headings_style=_HEAD,
        first_row_as_headings=heading,
        borders_layout="ALL",
        wrapmode="WORD",
    ) as grid:
        if heading:
            grid.row([_known(paper, name) for name in table.columns])
        for row, level in zip(table.rows, table.levels, strict=True):
            line = grid.row(style=_SHADES.get(level) if level else None)
            for cell in row:
                line.cell(_known(paper, cell), style=_DIGEST_STYLE if DIGEST.fullmatch(cell) else None)
    paper.ln(1)


def _pictures(paper: _Paper, pictures: tuple[Picture, ...]) -> None:
    """Wide ones one below the other; narrow ones in pairs."""
    waiting: list[Picture] = []
    for picture in pictures:
        if picture.wide:
            _row(paper, waiting)
            waiting = []
            _row(paper, [picture])
        else:
            waiting.append(picture)
            if len(waiting) == 2:
                _row(paper, waiting)
                waiting = []
    _row(paper, waiting)


def _row(paper: _Paper, pictures: list[Picture]) -> None:
    if not pictures:
        return
    gap = 4.0
    width = paper.epw if pictures[0].wide else (paper.epw - gap) / 2
    heights = [_height(picture, width) for picture in pictures]
    if paper.will_page_break(max(heights) + 10):
        paper.add_page()
    top, bottom = paper.get_y() + 1, 0.0
    for place, (picture, height) in enumerate(zip(pictures, heights, strict=True)):
        left = paper.l_margin + place * (width + gap)
        paper.image(BytesIO(picture.png), x=left, y=top, w=width)
        paper.set_xy(left, top + height + 0.5)
        paper.set_font(_FAMILY, "", _SMALL_PT)
        paper.multi_cell(width, 3.4, _known(paper, picture.caption), align="L")
        bottom = max(bottom, paper.get_y())
    paper.set_xy(paper.l_margin, bottom + 2)


def _height(picture: Picture, width: float) -> float:
    """Of a PNG on paper: the size in pixels stands in its first chunk (ISO/IEC 15948, 11.2.2)."""
    across = int.from_bytes(picture.png[16:20], "big")
    down = int.from_bytes(picture.png[20:24], "big")
    return width * down / across


def _known(paper: _Paper, text: str) -> str:
    """Letters that the typeface lacks become a question mark: the page on the screen has them."""
    typeface = paper.fonts[_FAMILY.lower()]
    assert isinstance(typeface, TTFFont), "it was added as a file"
    return "".join(letter if ord(letter) in typeface.cmap else "?" for letter in text)
