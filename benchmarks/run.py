"""Run an algorithm on a data set for several seeds; append one JSON line a run.

    python -m benchmarks.run --algorithm dec --data mnist --seeds 2

A seed that stands in the results file with the same settings is skipped. A run that was
interrupted goes on from its last epoch. Labels are read only here, after `fit`.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import inspect
import json
import platform
import subprocess
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from dclib import algorithms, data, metrics, runtime, store
from dclib.assign import kmeans
from dclib.augment import affine
from dclib.core import Clusterer

HERE = Path(__file__).parent
TAKEN = ("n_clusters", "device", "random_state", "verbose")  # given by the data or by options
MOTION = ("rotation", "shift", "scale")  # of views
LOADERS = [name for name in data.__all__ if name.islower() and name != "ucr"]  # ucr is many sets
# What decides the weights after pre-training; some algorithms pre-train in their own way.
PRETRAINING = (
    *("network", "layers", "hidden", "group_size", "batch_size"),
    *("layer_epochs", "pretrain_epochs", "pretrain_lr"),
)
OWN_PRETRAINING = {
    "ASPCDA": ("views",),
    "DEN": (),
    "DEPICT": ("drop", "hidden_weight", "lr"),
    "DSCNet": ("lr",),
    "VaDE": ("likelihood", "lr"),
}
ALGORITHMS = {name.lower(): getattr(algorithms, name) for name in algorithms.__all__}


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and run what is missing."""
    options = read_options(arguments)
    make = ALGORITHMS[options.algorithm]
    loaded = getattr(data, options.data)()
    x = loaded.x.astype(options.dtype.removesuffix(" autocast").replace("bfloat16", "float32"))
    results = Path(options.results or HERE / "results" / f"{options.data}.jsonl")
    results.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        model = make(
            n_clusters=options.clusters or loaded.n_classes,
            **dict(options.set),
            **views_of(options.views, loaded.shape),
            device=options.device,
            random_state=seed,
            verbose=1,
        )
        if getattr(model, "network", "mlp") == "cnn":
            x = x.reshape(len(x), 1, *loaded.shape)
        row = describe(model, loaded, options.dtype, options.views)
        if any(same_run(row, done) for done in read_rows(results)):
            print(f"{make.__name__} on {loaded.name}, seed {seed}: already in {results.name}")
            continue
        print(f"{make.__name__} on {loaded.name}, {len(x)} samples, seed {seed}", flush=True)
        checkpoint = checkpoint_of(results, row)
        if options.starts and hasattr(model, "pretrain"):
            Path(options.starts).mkdir(parents=True, exist_ok=True)
            share_pretraining(model, start_of(Path(options.starts), row), checkpoint)
        row |= measure(model, x, loaded.y, options.dtype, checkpoint)
        with results.open("a") as file:
            file.write(json.dumps(row) + "\n")
        checkpoint.unlink(missing_ok=True)
        print(f"  start {row['start']}\n  end   {row['scores']}\n  {row['seconds']}", flush=True)


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--algorithm", choices=sorted(ALGORITHMS), required=True)
    parser.add_argument("--data", choices=LOADERS, required=True, metavar="LOADER")
    parser.add_argument("--seeds", type=count, default=1, help="how many, from --first-seed on")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--clusters", type=count, help="how many, the number of classes if not given"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, help="processor threads, all of them if not given")
    parser.add_argument(
        "--dtype",
        choices=["float32", "float64", "bfloat16 autocast"],
        default="float32",
        help="'bfloat16 autocast': weights in float32, matrix products in bfloat16",
    )
    parser.add_argument(
        "--set", nargs="*", type=setting, default=[], metavar="NAME=VALUE", help="other settings"
    )
    amounts = "of random motion in the changed images, see dclib.augment.affine"
    parser.add_argument("--views", nargs="+", type=setting, metavar="NAME=VALUE", help=amounts)
    parser.add_argument(
        "--starts", help="folder where runs of equal pre-training leave and find its weights"
    )
    parser.add_argument("--results", help="file to append to, benchmarks/results/DATA.jsonl")
    options = parser.parse_args(arguments)
    own = inspect.signature(ALGORITHMS[options.algorithm]).parameters
    for name, _ in options.set:
        if name not in own or name in TAKEN:
            known = ", ".join(other for other in own if other not in TAKEN)
            parser.error(f"--set {name}: {options.algorithm} has the settings {known}")
    if options.views and "views" not in own:
        parser.error(f"--views: {options.algorithm} takes no changed images")
    for name, _ in options.views or ():
        if name not in MOTION:
            parser.error(f"--views {name}: expected {', '.join(MOTION)}")
    if options.threads:
        torch.set_num_threads(options.threads)
    return options


def count(text: str) -> int:
    """Read a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r}, expected at least 1")
    return number


def setting(text: str) -> tuple[str, object]:
    """Read `name=value`, the value as Python would."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}, expected NAME=VALUE")
    with contextlib.suppress(ValueError, SyntaxError):
        value = ast.literal_eval(value)
    return name, value


def views_of(amounts: list[tuple[str, float]] | None, shape: tuple[int, ...]) -> dict:
    """The setting `views` that moves images by random amounts; none without amounts."""
    if amounts is None:
        return {}

    def move(x: torch.Tensor) -> torch.Tensor:
        return affine(x, **dict(amounts), shape=shape if x.ndim == 2 else None)

    return {"views": move}


def describe(
    model: Clusterer, loaded: data.Data, dtype: str, views: list[tuple[str, float]] | None = None
) -> dict:
    """What decides the outcome of a run, known before it starts."""
    settings = {k: v for k, v in model.get_params().items() if k not in TAKEN}
    if model.n_clusters != loaded.n_classes:
        settings["n_clusters"] = model.n_clusters
    if views:
        settings["views"] = dict(views)
    return {
        "algorithm": type(model).__name__,
        "data": loaded.name,
        "n": len(loaded.x),
        "seed": model.random_state,
        "settings": json.loads(json.dumps(settings)),
        "dtype": dtype,
        "data_sha256": loaded.sha256,
    }


def run_missing(results: Path, runs: Iterable[tuple[dict, Callable[[], dict]]]) -> None:
    """Do the runs that do not stand in a results file, and append one line for each.

    `runs` are pairs: what decides the outcome of a run, and how to find the rest of its row.
    """
    results.parent.mkdir(parents=True, exist_ok=True)
    for row, find in runs:
        what = f"{row['algorithm']} on {row['data']}, n={row['n']}, seed {row['seed']}"
        if any(same_run(row, done) for done in read_rows(results)):
            print(f"{what}: already in {results.name}")
            continue
        row = row | find()
        with results.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{what}: {row.get('scores', '')} {row['seconds']['total']} s", flush=True)


def same_run(row: dict, done: dict) -> bool:
    """Whether a finished run had the same algorithm, data, seed, settings and dtype."""
    return all(done.get(key) == value for key, value in row.items())


def measure(model: Clusterer, x: np.ndarray, y: np.ndarray, dtype: str, checkpoint: Path) -> dict:
    """Fit, then score the end and, where there is one, the start that was refined.

    The start is what the clusters were placed by or, where they come last, k-means on the codes.
    """
    kept = checkpoint.with_suffix(".start.npy")  # outlives an interruption, as the checkpoint does
    train, codes = getattr(model, "pretrain", None), []

    def pretrain(x: torch.Tensor) -> None:
        train(x)
        codes.append(model.embed(x))

    def keep_start(estimator: Clusterer, record: dict) -> None:
        if record["phase"] != "refine" or record["epoch"] > 0:
            return
        if hasattr(estimator, "labels_"):  # the first refined epoch still has those of its start
            np.save(kept, estimator.labels_)
            return
        with runtime.seeded(estimator.seed_, "start", device=codes[0].device):
            labels, _ = kmeans(codes[0], estimator.n_clusters)
        np.save(kept, labels.cpu().numpy())

    if train is not None:
        model.pretrain = pretrain
    reduced = dtype == "bfloat16 autocast"
    # Autocast keeps the cast weights for the length of the block: stale after one step.
    precision = torch.autocast(model_device(model), torch.bfloat16, reduced, cache_enabled=False)
    begin = time.perf_counter()
    with precision:
        model.fit(x, watch=keep_start, checkpoint=checkpoint)
    wall = time.perf_counter() - begin
    start = scores(y, np.load(kept)) if kept.exists() else None
    kept.unlink(missing_ok=True)
    seconds = {name: round(value, 1) for name, value in model.seconds_.items()}
    return surroundings(model_device(model)) | {
        "seconds": {**seconds, "total": round(sum(model.seconds_.values()), 1)},
        "wall_seconds": round(wall, 1),
        "scores": scores(y, model.labels_),
        "start": start,
        "epochs": model.n_iter_,
        "stop_reason": model.stop_reason_,
    }


def share_pretraining(model: Clusterer, path: Path, checkpoint: Path) -> None:
    """Take the pre-trained autoencoder from a file where it exists, else train and write it.

    A phase draws random numbers of its own, so that the same settings and seed end in the same
    weights in every algorithm that pre-trains this way; its seconds are those of the first.
    """
    train = model.pretrain
    if path.exists() and checkpoint.exists() and of_pretraining(store.read(checkpoint)["loop"]):
        checkpoint.unlink()  # another run has finished what this one had begun

    def pretrain(x: torch.Tensor) -> None:
        if not path.exists():
            train(x)
            kept = {"algorithm": "pretraining", "history": model.history_}
            kept |= {"net": model.net_.auto.state_dict(), "seconds": model.seconds_["pretrain"]}
            store.write(kept, path)
        elif all(of_pretraining(record["phase"]) for record in model.history_):
            kept = store.read(path)
            model.net_.auto.load_state_dict(kept["net"])
            model.history_, model.seconds_["pretrain"] = kept["history"], kept["seconds"]

    model.pretrain = pretrain


def of_pretraining(loop: str) -> bool:
    """Whether a loop of this name comes before the clusters."""
    return loop.startswith(("layer", "pretrain"))


def scores(y: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """All scores as fractions."""
    return {
        "acc": round(metrics.clustering_accuracy(y, labels), 4),
        "nmi": round(float(metrics.normalized_mutual_info_score(y, labels)), 4),
        "ari": round(float(metrics.adjusted_rand_score(y, labels)), 4),
        "majority_acc": round(metrics.majority_accuracy(y, labels), 4),
    }


def read_rows(path: Path) -> list[dict]:
    """Read a results file; none there is no row."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def checkpoint_of(results: Path, row: dict) -> Path:
    """Name the file of an unfinished run by what decides its outcome."""
    digest = hashlib.sha256(json.dumps(row).encode()).hexdigest()[:12]
    return results.parent / f"unfinished-{digest}.pt"


def start_of(folder: Path, row: dict) -> Path:
    """Name the file of a pre-trained autoencoder by what decides its weights."""
    own = OWN_PRETRAINING.get(row["algorithm"])
    names = {*PRETRAINING, *(own or ())}
    settings = {name: value for name, value in row["settings"].items() if name in names}
    kind = "shared" if own is None else row["algorithm"]
    decides = {**row, "algorithm": kind, "settings": settings}
    digest = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:12]
    return folder / f"{row['data']}-{row['seed']}-{digest}.pt"


def model_device(model: Clusterer) -> str:
    """The kind of device that a fit will choose."""
    return runtime.device(model.device, torch.float32).type


def surroundings(device: str) -> dict:
    """Where a run takes place: the device as a reader knows it, the code, what it stands on."""
    on_gpu = device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if on_gpu else f"CPU ({platform.machine()})",
        "threads": torch.get_num_threads(),
        "commit": commit(),
        "versions": {name: version(name) for name in ("torch", "numpy", "scikit-learn", "dclib")},
    }


def commit() -> str:
    """The commit of the code, marked where files other than results differ from it."""
    code = [".", ":(exclude)benchmarks/results"]
    try:
        name = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", *code)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name}-dirty" if changed else name


def git(*arguments: str) -> str:
    """What git answers in the folder of the book."""
    return subprocess.check_output(["git", *arguments], text=True, cwd=HERE.parent).strip()


if __name__ == "__main__":
    main()
