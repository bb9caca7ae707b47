"""The list of commands with their arguments; what each does lies in a module of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from actors.cli.arguments import Case, Conf, Debug, Json, Place, Subject
from actors.cli.of_results import of_results

app = typer.Typer(
    name="mqi-actors",
    help="Carries every delivered proton-therapy case from the treatment logs to a verified dose.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
demo = typer.Typer(rich_markup_mode=None, invoke_without_command=True, context_settings={"max_content_width": 100})
app.add_typer(demo, name="demo")
app.add_typer(of_results)


@demo.callback()
def run_demo(
    context: typer.Context,
    *,
    keep: Annotated[Path | None, typer.Option("--keep", metavar="DIR", help="Keep everything in this folder.")] = None,
    cases: Annotated[int, typer.Option("--cases", min=1, max=1000, help="How many cases.")] = 3,
    gpus: Annotated[int, typer.Option("--gpus", min=1, max=64, help="How many GPU slots.")] = 2,
    ssh: Annotated[bool, typer.Option("--ssh", help="Over SSH to this machine.")] = False,
    engine: Annotated[str, typer.Option("--engine", metavar="NAME", help="Engine profile.")] = "reference",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run the whole system on synthetic cases with the reference engine; needs no configuration."""
    del debug
    if context.invoked_subcommand is None:
        from actors.cli.demonstration import whole_demo

        raise typer.Exit(whole_demo(keep, cases=cases, gpus=gpus, ssh=ssh, engine=engine, as_json=as_json))


@demo.command("case")
def demo_case(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the case is written.")],
    *,
    beams: Annotated[int, typer.Option("--beams", min=1)] = 2,
    layers: Annotated[int, typer.Option("--layers", min=1)] = 6,
    spots: Annotated[int, typer.Option("--spots", min=1, help="A layer.")] = 40,
    seed: Annotated[int, typer.Option("--seed")] = 1,
    ct: Annotated[bool, typer.Option("--ct", help="With a CT water phantom and RTSTRUCT.")] = False,
    planning_dose: Annotated[
        bool, typer.Option("--planning-dose", help="Add the planning system's RT Dose (and a CT).")
    ] = False,
    fault: Annotated[str | None, typer.Option("--fault", metavar="NAME", help="Make it wrong in this way.")] = None,
    size: Annotated[str, typer.Option("--size", help="small, or real (45 MB, 224 files).")] = "small",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write one synthetic case as the treatment machine would."""
    del debug
    from actors.cli.demonstration import one_case

    one_case(
        folder,
        beams=beams,
        layers=layers,
        spots=spots,
        seed=seed,
        ct=ct,
        planning_dose=planning_dose,
        fault=fault,
        size=size,
        as_json=as_json,
    )


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", show_default=False)] = Path("conf"),
    *,
    service: Annotated[
        bool, typer.Option("--service", help="Also the units of systemd and supervisord; those that exist are checked.")
    ] = False,
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="Who runs the daemon (default: you).")] = "",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write an annotated configuration (into DIR, by default ./conf)."""
    del debug
    from actors.cli.commands import say
    from actors.cli.initial import write_initial, write_service

    if service:
        raise typer.Exit(write_service(folder, user, as_json=as_json))
    path = write_initial(folder)
    say(
        {"path": str(path.absolute())},
        f"written: {path}; edit it, then: mqi-actors check --conf {path}",
        as_json=as_json,
    )


@app.command()
def check(
    tell: Annotated[bool, typer.Option("--tell", help="Also tell a trial in the way of [alarms].")] = False,
    conf: Conf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Examine configuration, folders, disk, hosts, GPUs, engine and clock."""
    del debug
    from actors.cli.commands import check as examine

    raise typer.Exit(examine(conf, as_json=as_json, tell=tell))


@app.command()
def start(conf: Conf = None, debug: Debug = False) -> None:
    """Run the daemon in the foreground until SIGTERM or SIGINT."""
    from actors.cli.commands import start as run

    raise typer.Exit(run(conf, debug=debug))


@app.command()
def stop(conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Stop the running daemon in order; engines go on."""
    del debug
    from actors.cli.commands import stop as order

    order(conf, as_json=as_json)


@app.command()
def reload(conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Have the running daemon read its configuration again."""
    del debug
    from actors.cli.commands import reload as order

    raise typer.Exit(order(conf, as_json=as_json))


@app.command()
def submit(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Case folder.")],
    partial: Annotated[bool, typer.Option("--partial", help="As it is, although something is missing.")] = False,
    conf: Conf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Take this case folder now, without waiting for the scanner."""
    del debug
    from actors.cli.commands import submit as order

    raise typer.Exit(order(conf, path, partial=partial, as_json=as_json))


@app.command()
def status(conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Daemon, hosts, GPUs, counts, disks, alarms."""
    del debug
    from actors.cli.commands import status as tell

    tell(conf, as_json=as_json)


@app.command()
def top(conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Everything at a glance, live; q quits."""
    del debug
    from actors.cli.top import run_top

    run_top(conf, as_json=as_json)


@app.command()
def cases(
    state: Annotated[str | None, typer.Option("--state", metavar="S", help="Only those in this state.")] = None,
    conf: Conf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the cases."""
    del debug
    from actors.cli.commands import cases as tell

    tell(conf, state, as_json=as_json)


@app.command()
def show(case: Case, conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """One case with beams, attempts and history."""
    del debug
    from actors.cli.commands import show as tell

    tell(conf, case, as_json=as_json)


@app.command()
def why(subject: Subject, conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Say in one sentence why a case is where it is, or a host or GPU as it is."""
    del debug
    from actors.cli.commands import explain

    explain(conf, subject, as_json=as_json)


def _give(kind: str, subject: str = "", argument: str = "", *, conf: Path | None, as_json: bool) -> NoReturn:
    from actors.cli.ordering import order

    raise typer.Exit(order(conf, kind, subject, argument, as_json=as_json))


@app.command()
def retry(
    case: Case,
    beam: Annotated[str, typer.Argument(metavar="[BEAM]", help="Only this beam.", show_default=False)] = "",
    conf: Conf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Try failed or cancelled beams again with a fresh budget; good beams are kept."""
    del debug
    _give("retry", case, beam, conf=conf, as_json=as_json)


@app.command()
def cancel(case: Case, conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """End what runs of a case; nothing more is done for it."""
    del debug
    _give("cancel", case, conf=conf, as_json=as_json)


@app.command()
def hold(case: Case, conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Start nothing new for a case; what runs goes on to its end."""
    del debug
    _give("hold", case, conf=conf, as_json=as_json)


@app.command()
def release(case: Case, conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Let a held case go on from where it was."""
    del debug
    _give("release", case, conf=conf, as_json=as_json)


@app.command(context_settings={"ignore_unknown_options": True})
def priority(
    case: Case,
    number: Annotated[str, typer.Argument(metavar="N", help="Higher runs first; 0 is usual.")],
    conf: Conf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say how urgent a case is."""
    del debug
    _give("priority", case, number, conf=conf, as_json=as_json)


@app.command()
def drain(place: Place, conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Start nothing new on a host or GPU; what runs there goes on to its end."""
    del debug
    _give("drain", place, conf=conf, as_json=as_json)


@app.command()
def resume(place: Place, conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Let a host or GPU take work again; failed runs are held against the GPU no more."""
    del debug
    _give("resume", place, conf=conf, as_json=as_json)


@app.command()
def pause(conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Begin no further case anywhere; cases that were begun go on."""
    del debug
    _give("pause", conf=conf, as_json=as_json)


@app.command()
def unpause(conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Begin cases again."""
    del debug
    _give("unpause", conf=conf, as_json=as_json)


@app.command()
def tail(
    case: Annotated[str | None, typer.Argument(metavar="[CASE]", help="Only this case.", show_default=False)] = None,
    *,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as the log grows.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0)] = 50,
    engine: Annotated[int | None, typer.Option("--engine", metavar="BEAM", help="The engine's own log.")] = None,
    conf: Conf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """The log, of one case or of all."""
    del debug
    from actors.cli.commands import tail as tell

    tell(conf, case, follow=follow, lines=lines, engine=engine, as_json=as_json)


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    conf: Conf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Remove now what is older than [retention] keeps (the daemon does so by itself)."""
    del debug
    if dry_run:
        from actors.cli.pruning import show_prunable

        return show_prunable(conf, as_json=as_json)
    _give("prune", conf=conf, as_json=as_json)


@app.command()
def export(
    *,
    since: Annotated[str, typer.Option("--since", metavar="DATE", help="Delivered on this day or later.")] = "",
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="Delivered on this day or before.")] = "",
    gantry: Annotated[str, typer.Option("--gantry", metavar="G", help="Only of this gantry.")] = "",
    table: Annotated[Literal["cases", "beams", "layers"], typer.Option("--table", help="One row for each.")] = "cases",
    form: Annotated[Literal["csv", "json", "parquet"] | None, typer.Option("--format", help="csv if not said.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Default: stdout.")] = None,
    conf: Conf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Verdicts, pass rates, deviations, times and versions of the cases, for statistics elsewhere."""
    del debug
    from actors.cli.export import Wanted, run_export

    form = form or ("json" if as_json and out is None else "csv")
    run_export(conf, Wanted(table, form, out, since, until, gantry), as_json=as_json)


@app.command()
def backup(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", show_default=False)] = None,
    conf: Conf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Copy the ledger (to FILE, by default among the backups); the daemon may run."""
    del debug
    from actors.cli.copies import backup as copy

    copy(conf, file, as_json=as_json)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup of the ledger.")],
    conf: Conf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Put a backup in the place of the ledger; the daemon must be down."""
    del debug
    from actors.cli.copies import restore as put_back

    put_back(conf, file, as_json=as_json)
