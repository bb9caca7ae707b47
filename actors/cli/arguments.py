"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Conf = Annotated[
    Path | None,
    typer.Option("--conf", metavar="FILE", help="Configuration (default: $MQI_CONF, ./conf, /etc/mqi-actors)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error came from.")]
Case = Annotated[str, typer.Argument(metavar="CASE", help="Name of a case, or its beginning.")]
Subject = Annotated[str, typer.Argument(metavar="CASE", help="A case, or its beginning; or HOST, or HOST/GPU.")]
Place = Annotated[str, typer.Argument(metavar="HOST[/GPU]", help="A host, or one GPU of it by index or UUID.")]
Reason = Annotated[str, typer.Option("--reason", metavar="REASON", help="Stands on the report, with your name.")]
Because = Annotated[str, typer.Argument(metavar="REASON", help="Stands on the report, with your name.")]
