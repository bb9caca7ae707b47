"""The report as one self-contained HTML page: pictures inline, no script, nothing fetched; fit for black and white."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape

from actors.reporter.content import DIGEST, Picture, Report, Section, Table, figure_rows
from actors.reporter.levels import Level

_MARKS = {Level.PASS: "✓", Level.REVIEW: "△", Level.FAIL: "✗"}
"""Told by shape, not by colour alone."""
_LONG_WORD = 24
_MANY_COLUMNS = 10
_STYLE = """
body { font: 14px/1.45 "DejaVu Sans", Verdana, sans-serif; color: #111; background: #fff; margin: 2em auto;
  max-width: 60em; padding: 0 1em; }
h1 { font-size: 1.4em; margin: 0 0 .6em; } h2 { font-size: 1.15em; border-bottom: 1px solid #111; margin: 2em 0 .6em; }
h3 { font-size: 1em; margin: 1.2em 0 .3em; }
table { border-collapse: collapse; width: 100%; margin: .3em 0 .8em; font-size: .9em; }
th, td { border: 1px solid #999; padding: .2em .5em; text-align: left; vertical-align: top;
  overflow-wrap: break-word; } td.long { overflow-wrap: anywhere; }
table.wide { font-size: .74em; } table.wide th, table.wide td { padding: .2em .3em; }
table.wide td { white-space: nowrap; } td.hash { font: .86em "DejaVu Sans Mono", monospace; white-space: nowrap; }
th { background: #eee; } tr.review td { background: #f3f3f3; font-weight: bold; }
tr.fail td { background: #ddd; font-weight: bold; }
.verdict { border: 3px solid #111; padding: .6em 1em; margin: 0 0 1em; }
.verdict strong { font-size: 1.6em; letter-spacing: .05em; }
.verdict.fail { border-width: 6px; } .verdict.review { border-style: dashed; }
ul.reasons { margin: .4em 0 0; padding-left: 1.4em; list-style: none; }
figure { margin: .8em 0; display: inline-block; vertical-align: top; } figure.half { width: 49%; }
img { max-width: 100%; }
figcaption, .note { font-size: .85em; color: #333; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1em 1em; margin: 0; }
dt { font-weight: bold; } dd { margin: 0; overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; font-size: 11px; }
  figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; } }
"""


def page(report: Report) -> bytes:
    """The page as UTF-8."""
    return "\n".join(_lines(report)).encode()


def _lines(report: Report) -> Iterator[str]:
    title = f"Report of case {escape(report.case)}"
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
    yield f"<h1>{title}</h1>"
    headline = f"{_MARKS[report.verdict]} {escape(report.headline)}"
    yield f'<div class="verdict {report.verdict.word}"><strong>{headline}</strong>'
    yield f"<p>{escape(report.basis)}</p>"
    if report.reasons:
        yield '<ul class="reasons">'
        yield from (f"<li>{_MARKS[level]} {escape(sentence)}</li>" for level, sentence in report.reasons)
        yield "</ul>"
    yield "</div><dl>"
    yield from (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in report.identity)
    yield "</dl>"
    for section in report.sections:
        yield from _section(section)
    yield "</body></html>"


def _section(section: Section) -> Iterator[str]:
    yield f"<h2>{escape(section.title)}</h2>"
    yield from (f"<p>{escape(text)}</p>" for text in section.paragraphs)
    if section.figures:
        yield from _table(
            Table(
                "",
                ("figure", "value", "tolerance / action", "level"),
                figure_rows(section.figures),
                tuple(figure.level for figure in section.figures),
            )
        )
    yield from (_picture(picture) for picture in section.pictures)
    for table in section.tables:
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"<h3>{escape(table.title)}</h3>"
    kind = ' class="wide"' if len(table.columns) > _MANY_COLUMNS else ""
    heads = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    yield f"<table{kind}><thead><tr>{heads}</tr></thead><tbody>"
    for row, level in zip(table.rows, table.levels, strict=True):
        marked = f' class="{level.word}"' if level else ""
        yield f"<tr{marked}>" + "".join(_cell(cell) for cell in row) + "</tr>"
    yield "</tbody></table>"
    if table.note:
        yield f'<p class="note">{escape(table.note)}</p>'


def _cell(text: str) -> str:
    """A digest stays on its line; what has no place to break may break anywhere."""
    if DIGEST.fullmatch(text):
        return f'<td class="hash">{text}</td>'
    long = ' class="long"' if max(map(len, text.split()), default=0) > _LONG_WORD else ""
    return f"<td{long}>{escape(text)}</td>"


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode("ascii")
    kind = "" if picture.wide else ' class="half"'
    caption = escape(picture.caption)
    return (
        f'<figure{kind}><img src="data:image/png;base64,{data}" alt="{caption}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
