"""The subcommands that teach a student by itself: pack pictures, train from random weights, export the result."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.training.cli.options import EXISTING, EXISTING_FILE, FILE, FOLDER, stop_on_signals

if TYPE_CHECKING:  # torch takes seconds to load, which --help need not wait for
    from retrieval.training.evaluation import Evaluation
    from retrieval.training.run import RunSettings
    from retrieval.training.trainer import Trainer

_SHOWN = ("event", "stage", "loss", "accuracy", "views_per_s", "rate")  # of the log, on a terminal


@click.command()
@click.argument("folders", type=FOLDER, nargs=-1, required=True)
@click.option("-o", "--output", type=FILE, required=True, help="The bundle to write.")
@click.option("--long-side", default=512, help="Pixels; larger pictures are scaled down.")
@click.option("--quality", default=88, help="JPEG quality.")
@click.option(
    "--all", "everything", is_flag=True, help="Keep drawings, tiny pictures and duplicates too, for measuring."
)
def pack(folders: tuple[Path, ...], output: Path, long_side: int, quality: int, everything: bool) -> None:
    """Put the pictures of folders into one small file.

    \b
    Examples:
      python -m retrieval.training pack photos -o pictures.bundle
    """
    from retrieval.training import bundle

    packed = bundle.pack(folders, output, long_side=long_side, quality=quality, sift=not everything)
    skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(packed.skipped.items())) or "none"
    click.echo(f"{packed.pictures} pictures, {packed.bytes / 2**20:.1f} MiB; left out: {skipped}", err=True)


@click.command()
@click.argument("pictures", type=EXISTING, nargs=-1, required=True)
@click.option("--teacher", type=EXISTING_FILE, required=True, help="Checkpoint of the network to learn from.")
@click.option(
    "--work", type=FOLDER, required=True, help="Folder of the run's state and log; an earlier run in it is resumed."
)
@click.option("--minutes", type=float, help="Budget of the whole run, in minutes of training.")
@click.option("--views", type=int, help="Budget of the whole run, in views.")
@click.option("--stop-after", type=float, help="Minutes until this call saves its state and ends.")
@click.option("--save-every", default=10.0, help="Minutes between two saves of the state.")
@click.option("--log-every", default=15.0, help="Seconds between two lines of the log.")
@click.option("--evaluate", type=EXISTING, help="Photos to measure with: one folder per species, or a bundle.")
@click.option("--evaluate-every", default=20.0, help="Minutes between two evaluations.")
@click.option("--pause-file", type=FILE, help="While this file exists, training sleeps.")
@click.option("--image-size", default=224, help="Pixels of the student's input, height and width.")
@click.option("--batch", default=8, help="Views per step: about 8 on a CPU, 256 or more on a GPU.")
@click.option("--seed", default=0, help="Seed of all random numbers.")
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--precision", type=click.Choice(["bf16", "fp32"]), default="bf16", help="Arithmetic of matrix products.")
@click.option("--compile/--no-compile", "compiled", default=False, help="Let torch generate fused code.")
@click.option("--threads", type=int, help="CPU threads.")
def train(**options: Any) -> None:
    """Train a student from random weights, or resume its training.

    PICTURES are folders or bundles.

    \b
    Examples:
      python -m retrieval.training train pictures.bundle --teacher deit.pt --work work --minutes 600
    """
    if options["minutes"] is None and options["views"] is None:
        raise click.UsageError("give the run a budget: --minutes or --views")
    from retrieval.training import run

    trainer = _trainer(options)
    click.echo(f"{trainer.origin.pictures} pictures, on {trainer.device}", err=True)
    with stop_on_signals() as asked:
        finished = run.train(
            trainer,
            _run_settings(options),
            evaluation=_evaluation(options["evaluate"], trainer),
            report=lambda entry: click.echo(_line(entry), err=True),
            stopped=lambda: bool(asked),
        )
    click.echo("finished" if finished else "stopped: the same command resumes", err=True)


@click.command()
@click.argument("work", type=FOLDER)
@click.option("-o", "--output", type=FILE, required=True, help="The checkpoint to write: .safetensors.")
def export(work: Path, output: Path) -> None:
    """Write the student of a work folder as a checkpoint.

    \b
    Examples:
      python -m retrieval.training export work -o compact.safetensors
    """
    from retrieval.training.export import export as write

    done = write(work, output)
    click.echo(f"{output}: {done.bytes / 1e6:.1f} MB, {done.views:,} views, cosine {done.cosine:.6f}", err=True)


def _trainer(options: dict[str, Any]) -> "Trainer":
    import torch

    from retrieval.engines.torch.device import choose_device
    from retrieval.models import checkpoint
    from retrieval.models.digest import sha256
    from retrieval.training import bundle
    from retrieval.training.settings import Settings
    from retrieval.training.trainer import Trainer

    if options["threads"]:
        torch.set_num_threads(options["threads"])
    teacher: Path = options["teacher"]
    return Trainer(
        checkpoint.load(teacher),
        sha256(teacher),
        [picture.pixels for picture in bundle.load(options["pictures"])],
        Settings(image_size=options["image_size"], batch=options["batch"], seed=options["seed"]),
        device=choose_device(options["device"]),
        reduced=options["precision"] == "bf16",
        compiled=options["compiled"],
    )


def _run_settings(options: dict[str, Any]) -> "RunSettings":
    from retrieval.training.plan import Budget
    from retrieval.training.run import RunSettings

    return RunSettings(
        work=options["work"],
        budget=Budget(views=options["views"], minutes=options["minutes"]),
        stop_after_s=options["stop_after"] and 60 * options["stop_after"],
        save_every_s=60 * options["save_every"],
        log_every_s=options["log_every"],
        evaluate_every_s=60 * options["evaluate_every"],
        pause_file=options["pause_file"],
    )


def _evaluation(source: Path | None, trainer: "Trainer") -> "Evaluation | None":
    from retrieval.training.evaluation import Evaluation

    return None if source is None else Evaluation(source, trainer.origin.transform, trainer.device)


def _line(entry: dict[str, Any]) -> str:
    """An entry of the log for people: where it stands, then what there is to say."""
    words = [f"{entry['spent']:7.2%}  {entry['views']:>10,} views"]
    words += [f"{key} {entry[key]}" for key in _SHOWN if key in entry]
    if "blocks" in entry:
        words.append("blocks " + " ".join(f"{error:.2f}" for error in entry["blocks"]))
    return "  ".join(words)
