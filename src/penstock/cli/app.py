"""The commands and their options. What a command needs is imported when it is called, so that help is quick."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from penstock.cli.failure import Guard

app = typer.Typer(
    name="penstock",
    help="Stream processing for Python: pipelines over files and streams, by event time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[
    str,
    typer.Argument(
        metavar="FILE[:NAME]",
        help="A file in SQL or YAML, or a Python file (or module) with a ps.Pipeline, or a function pipeline().",
        show_default=False,
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting: an argument of pipeline(). May be repeated."),
]
Profile = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="The profile of penstock.toml that is on.")
]
State = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="The state directory, or s3://bucket/prefix. [default: .penstock/NAME]"),
]
JobName = Annotated[
    str, typer.Argument(metavar="JOB", help="The name of a pipeline, or its state directory.", show_default=False)
]
Rows = Annotated[int, typer.Option("--rows", metavar="N", min=0, max=10_000, help="How many rows to show.")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON, on stdout.")]


@app.command()
def run(
    file: File,
    on: Annotated[str | None, typer.Option(metavar="ENGINE", help="embedded, or flink:URL.")] = None,
    state: State = None,
    shards: Annotated[
        int | None, typer.Option(metavar="N", help="Over how many shards keys are spread. [default: 1]")
    ] = None,
    sets: Sets = None,
    profile: Profile = None,
    resume: Annotated[
        str | None, typer.Option(metavar="WHAT", help="latest, none, or a checkpoint. [default: latest]")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(metavar="TIME", help="How often output becomes visible. [default: 10 s]")
    ] = None,
    latency: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long one step may take. [default: 10 ms]")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="How much memory to take; state beyond lies on disk.")
    ] = None,
    replan: Annotated[bool, typer.Option("--replan", help="Plan anew instead of as the checkpoint was made.")] = False,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Run a pipeline until its input ends, or Ctrl-C or SIGTERM.

        Either publishes what is done and stops; a second one stops at once. Exit codes: 0 done or stopped, 1 failed,
    2 the definition is wrong or a source or sink is not there, 3 a person must decide about stored state.
    """
    with Guard() as guard:
        from penstock.cli.run import Telling, run_file

        options: dict[str, Any] = {
            "on": on, "state": state, "shards": shards, "resume": resume, "checkpoint": checkpoint,
            "latency": latency, "memory": memory, "replan": replan or None,
        }  # fmt: skip
        run_file(guard, file, given=sets or [], profile=profile, options=options, telling=Telling(json, quiet))


@app.command()
def check(
    file: File,
    sets: Sets = None,
    profile: Profile = None,
    sample: Annotated[
        int | None, typer.Option(metavar="ROWS", min=100, help="Foretell state without bound from so many first rows.")
    ] = None,
    json: Json = False,
) -> None:
    """Show types, keys, guarantees, state and what results depend on, without running."""
    with Guard():
        from penstock.cli.check import check_file

        check_file(file, given=sets or [], profile=profile, sample=sample, as_json=json)


@app.command()
def explain(
    file: File,
    form: Annotated[str, typer.Option("--as", metavar="FORM", help="text, mermaid or json.")] = "text",
    sets: Sets = None,
    profile: Profile = None,
) -> None:
    """Show the plan of a pipeline."""
    with Guard():
        from penstock.cli.explain import explain_file

        explain_file(file, given=sets or [], profile=profile, form=form)


@app.command()
def migrate(
    file: File,
    start: Annotated[
        str | None, typer.Option("--from", metavar="WHAT", help="An epoch or savepoint; by default the newest.")
    ] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Let it be so, and store it.")] = False,
    state: State = None,
    sets: Sets = None,
    profile: Profile = None,
    json: Json = False,
) -> None:
    """Show what stored state becomes under a changed program: kept, migrated, rebuilt, dropped, new.

    A run does not begin if something would be lost (rebuilt, dropped), until that is approved here: exit code 3.
    """
    with Guard():
        from penstock.cli.migrate import migrate_file

        options = {"state": state}
        migrate_file(file, start, approve=approve, options=options, given=sets or [], profile=profile, as_json=json)


@app.command()
def jobs(json: Json = False) -> None:
    """List the pipelines that have run here, and how they stand."""
    with Guard():
        from penstock.cli.jobs import list_jobs

        list_jobs(as_json=json)


@app.command()
def status(job: JobName, json: Json = False) -> None:
    """Show how a pipeline stands: rows, watermark, state, checkpoints."""
    with Guard():
        from penstock.cli.jobs import show_status

        show_status(job, as_json=json)


@app.command()
def top(job: JobName, every: Annotated[str, typer.Option(metavar="TIME", help="How often to look.")] = "1 s") -> None:
    """Show a running pipeline's operators, live, until Ctrl-C."""
    with Guard():
        from penstock.cli.top import show_top

        show_top(job, every)


@app.command()
def stop(job: JobName) -> None:
    """Stop a running pipeline after a checkpoint: what is done is published, windows stay open."""
    with Guard():
        from penstock.cli.jobs import stop_job

        stop_job(job)


@app.command()
def savepoint(
    job: JobName,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Its name. [default: epoch-NUMBER]")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the savepoint of this name.")] = False,
) -> None:
    """Store an epoch of a running pipeline that is kept until it is removed."""
    with Guard():
        from penstock.cli.jobs import make_savepoint

        make_savepoint(job, name, remove=remove)


@app.command()
def checkpoints(job: JobName, json: Json = False) -> None:
    """List what is stored of a pipeline: epochs and savepoints, from which --resume can go on."""
    with Guard():
        from penstock.cli.jobs import list_checkpoints

        list_checkpoints(job, as_json=json)


@app.command()
def late(job: JobName, rows: Rows = 20, json: Json = False) -> None:
    """Show late rows that no output took: how many by verb, and the last ones with what would have saved them."""
    with Guard():
        from penstock.cli.refused import show_refused

        show_refused(job, "late", rows, as_json=json)


@app.command()
def why(
    job: JobName,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE[:NAME]", help="The program, if its plan cannot be rebuilt.")
    ] = None,
    json: Json = False,
) -> None:
    """Say why there is no output: which source, split and window hold it back, and what will release it."""
    with Guard():
        from penstock.cli.why import show_why

        show_why(job, file=file, as_json=json)


@app.command()
def errors(job: JobName, rows: Rows = 20, json: Json = False) -> None:
    """Show bad rows that no output took: how many by verb and reason, and the last ones."""
    with Guard():
        from penstock.cli.refused import show_refused

        show_refused(job, "errors", rows, as_json=json)


@app.command()
def state(
    job: JobName,
    operator: Annotated[str | None, typer.Argument(metavar="OPERATOR", help="Which; without it, a list.")] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="WHAT", help="An epoch or savepoint; by default now, or the newest.")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE[:NAME]", help="The program, if its plan cannot be rebuilt.")
    ] = None,
    rows: Rows = 20,
    json: Json = False,
) -> None:
    """Show the state of an operator as a table, of a running pipeline or of a checkpoint."""
    with Guard():
        from penstock.cli.state import show_state

        show_state(job, operator, at=at, file=file, rows=rows, as_json=json)


@app.command()
def replay(
    job: JobName,
    begin: Annotated[int | None, typer.Option("--from", metavar="EPOCH", help="Where to begin.")] = None,
    to: Annotated[int | None, typer.Option("--to", metavar="STEP", help="The last step to run.")] = None,
    edge: Annotated[
        str | None, typer.Option("--edge", metavar="OPERATOR[.PORT]", help="Show the rows that leave an operator.")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE[:NAME]", help="The program, if its plan cannot be rebuilt.")
    ] = None,
    rows: Rows = 20,
) -> None:
    """Run the steps of stored epochs again, exactly, and show what left an operator; nothing is written."""
    with Guard():
        from penstock.cli.replay import replay_job

        replay_job(job, begin=begin, to=to, edge=edge, file=file, rows=rows)


@app.command()
def demo(
    speed: Annotated[float, typer.Option(metavar="N", help="Days of flights per second.")] = 1.0,
    rows: Annotated[int | None, typer.Option(metavar="N", help="Stop after so many rows.", show_default=False)] = None,
    folder: Annotated[str, typer.Option("--dir", metavar="DIR", help="Where to write.")] = "penstock-demo",
    watermark: Annotated[
        str, typer.Option(metavar="TIME", help="How much out of order flights may be before they are late.")
    ] = "12 hours",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the end only.")] = False,
) -> None:
    """Real flights as a live stream: windows, disorder, late rows; nothing is needed but a terminal."""
    with Guard() as guard:
        from penstock.cli.demo import run_demo

        run_demo(guard, speed=speed, rows=rows, folder=folder, watermark=watermark, quiet=quiet)


@app.command()
def connectors(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show the options of this one.")] = None,
    json: Json = False,
) -> None:
    """List what can be read and written."""
    with Guard():
        from penstock.cli.connectors import list_connectors

        list_connectors(name, as_json=json)


@app.command(name="yaml-schema")
def yaml_schema() -> None:
    """Print the JSON schema of pipelines in YAML, for editors."""
    with Guard():
        import json

        from penstock.cli import terminal
        from penstock.yaml.schema import schema

        terminal.out(json.dumps(schema(), indent=1))


@app.command()
def sql(
    file: Annotated[
        str | None, typer.Option("--file", "-f", metavar="FILE", help="Run the statements of a file, then end.")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--execute", "-e", metavar="TEXT", help="Run these statements, then end.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="FORM", help="How rows are shown: table, csv or json.")
    ] = "table",
    rows: Annotated[
        int, typer.Option("--rows", metavar="N", min=1, help="How many rows of an endless query are shown.")
    ] = 1000,
) -> None:
    """Statements of Flink's SQL, one after the other: in a terminal with history and completion, or from a pipe."""
    with Guard() as guard:
        from penstock.cli.sql import run_sql

        run_sql(guard, file=file, text=text, form=form, rows=rows)


@app.command()
def version() -> None:
    """Print the version."""
    with Guard():
        from penstock.cli import terminal
        from penstock.cli.versions import versions

        terminal.out(versions())


def main() -> None:
    """The entry point `penstock`."""
    app(prog_name="penstock")
