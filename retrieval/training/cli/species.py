"""The subcommands that teach species: fill a pool of views, then distil a student from it."""

import json
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.training.cli.options import EXISTING, EXISTING_FILE, FILE, FOLDER, stop_on_signals

if TYPE_CHECKING:  # torch takes seconds to load, which --help need not wait for
    from retrieval.training.distil import Distiller
    from retrieval.training.distil_run import DistilRunSettings
    from retrieval.training.species_evaluation import SpeciesEvaluation


@click.command()
@click.argument("birds", type=EXISTING, nargs=-1, required=True)
@click.option("--others", type=EXISTING, multiple=True, help="Pictures of other things, folders or bundles.")
@click.option("--teacher", type=EXISTING_FILE, required=True, help="Checkpoint of the network that gives features.")
@click.option("--species", type=EXISTING_FILE, required=True, help="Classifier of bird species, a .tflite file.")
@click.option("--pool", type=FOLDER, required=True, help="Folder of the pool; one that exists is filled further.")
@click.option("--shards", default=64, help="Shards that the pool shall have.")
@click.option("--shard", default=512, help="Views per shard.")
@click.option("--others-share", default=0.2, help="Share of views that show other things than birds.")
@click.option("--seed", default=0, help="Seed of all random numbers.")
@click.option("--threads", default=2, help="CPU threads.")
def fill(**options: Any) -> None:
    """Draw views of bird photos, and record both teachers' answers.

    BIRDS are folders or bundles.

    \b
    Examples:
      python -m retrieval.training fill birds.bundle --teacher deit.pt --species birds.tflite --pool pool
    """
    import torch

    from retrieval.models.digest import sha256
    from retrieval.training import bundle
    from retrieval.training.fill import Filler, FillSettings
    from retrieval.training.fill import fill as add_shards
    from retrieval.training.pool import Pool
    from retrieval.training.teachers import FeatureTeacher, SpeciesTeacher

    torch.set_num_threads(options["threads"])
    filler = Filler(
        bundle.load(options["birds"]),
        bundle.load(options["others"]) if options["others"] else [],
        FeatureTeacher(options["teacher"]),
        SpeciesTeacher(options["species"], options["threads"]),
        FillSettings(shard=options["shard"], others=options["others_share"], seed=options["seed"]),
    )
    pool = Pool(options["pool"], filler.origin((sha256(options["teacher"]), sha256(options["species"]))))
    with stop_on_signals() as asked:
        add_shards(
            pool,
            filler,
            options["shards"],
            report=lambda count: click.echo(f"{count} shards, {len(pool):,} views", err=True),
            stopped=lambda: bool(asked),
        )


@click.command()
@click.option("--pool", type=FOLDER, required=True, help="Folder of the pool of views, which may be growing.")
@click.option("--teacher", type=EXISTING_FILE, required=True, help="Checkpoint of the network that gave features.")
@click.option("--start", type=EXISTING_FILE, required=True, help="Checkpoint of the student to start from.")
@click.option(
    "--work", type=FOLDER, required=True, help="Folder of the run's state and log; an earlier run in it is resumed."
)
@click.option("--labels", type=EXISTING_FILE, required=True, help="Label file of the species teacher.")
@click.option("--views", type=int, help="End of the whole run, in views.")
@click.option("--cooldown-views", default=20_000, help="Views before the end over which the rate falls.")
@click.option("--until", type=click.DateTime(["%Y-%m-%dT%H:%M"]), help="End of the whole run, UTC.")
@click.option("--cooldown", default=30.0, help="Minutes before that over which the rate falls.")
@click.option("--size", type=(int, float), default=(128, 1.0), help="Pixels of the input, and share of patches kept.")
@click.option("--cooldown-size", type=(int, float), default=(224, 1.0), help="The same while the rate falls.")
@click.option("--rate", default=4e-4, help="Learning rate of Adam, while it is constant.")
@click.option("--batch", default=16, help="Views per step.")
@click.option("--seed", default=0, help="Seed of all random numbers.")
@click.option("--threads", default=1, help="CPU threads.")
@click.option("--save-every", default=5.0, help="Minutes between two saves of the state.")
@click.option("--log-every", default=30.0, help="Seconds between two lines of the log.")
@click.option("--evaluate", type=EXISTING, help="Photos to measure with: one folder per species, or a bundle.")
@click.option("--evaluate-every", default=20.0, help="Minutes between two evaluations.")
def distil(**options: Any) -> None:
    """Train a student on both teachers' answers, or resume its training.

    \b
    Examples:
      python -m retrieval.training distil --pool pool --teacher deit.pt --start compact.safetensors \\
        --work work --labels labels.txt --views 1000000
    """
    from retrieval.training import distil_run

    distiller, evaluation = _distiller(options)
    with stop_on_signals() as asked:
        finished = distil_run.train(
            distiller,
            _run_settings(options),
            evaluation=evaluation,
            report=lambda entry: click.echo(json.dumps(entry), err=True),
            stopped=lambda: bool(asked),
        )
    click.echo("finished" if finished else "stopped: the same command resumes", err=True)


@click.command("export-distilled")
@click.argument("work", type=FOLDER)
@click.option("-o", "--output", type=FILE, required=True, help="The checkpoint to write: .safetensors.")
@click.option("--labels", type=EXISTING_FILE, required=True, help="Label file of the species teacher.")
@click.option(
    "--head", type=click.Choice(["species", "general"]), default="species", help="Which labels the checkpoint has."
)
def export_distilled(work: Path, output: Path, labels: Path, head: Any) -> None:
    """Write the student of a distillation as a checkpoint.

    \b
    Examples:
      python -m retrieval.training export-distilled work --labels labels.txt -o compact.safetensors
    """
    from retrieval.training.distil_export import export
    from retrieval.training.teachers import read_species

    done = export(work, output, head, read_species(labels))
    click.echo(f"{output}: {done.bytes / 1e6:.1f} MB, {done.views:,} views, cosine {done.cosine:.6f}", err=True)


def _distiller(options: dict[str, Any]) -> "tuple[Distiller, SpeciesEvaluation | None]":
    import torch

    from retrieval.models import checkpoint
    from retrieval.training.batches import BatchSettings
    from retrieval.training.distil import Distiller, DistilSettings
    from retrieval.training.pool import Pool
    from retrieval.training.species_evaluation import SpeciesEvaluation
    from retrieval.training.teachers import read_species

    torch.set_num_threads(options["threads"])
    settings = DistilSettings(rate=options["rate"], seed=options["seed"], batches=BatchSettings(size=options["batch"]))
    start, teacher = checkpoint.load(options["start"]), checkpoint.load(options["teacher"])
    distiller = Distiller(start, teacher, Pool(options["pool"]), settings, image_size=options["size"][0])
    if options["evaluate"] is None:
        return distiller, None
    return distiller, SpeciesEvaluation(options["evaluate"], read_species(options["labels"]), start.transform)


def _run_settings(options: dict[str, Any]) -> "DistilRunSettings":
    from retrieval.training.distil_run import DistilRunSettings, Phase

    until = options["until"]
    return DistilRunSettings(
        work=options["work"],
        constant=Phase(*options["size"]),
        cooling=Phase(*options["cooldown_size"]),
        views=options["views"],
        cooldown_views=options["cooldown_views"],
        until=None if until is None else until.replace(tzinfo=UTC).timestamp(),
        cooldown_s=60 * options["cooldown"],
        save_every_s=60 * options["save_every"],
        log_every_s=options["log_every"],
        evaluate_every_s=60 * options["evaluate_every"],
    )
