"""What the pages say in numbers: read from the committed records whenever the site is built, so that none is typed."""

import json
from dataclasses import fields
from html import escape
from math import log10
from pathlib import Path

import pandas as pd
from convert import Missing
from typer.main import get_command

from digitstudy.app.cli import app
from digitstudy.core.config import Settings, load_settings, profiles
from digitstudy.study.records import Record, read_records
from digitstudy.study.registry import catalogue, parameters_of
from digitstudy.study.report import METRICS, TARGETS, data_of, published, summarise, verdicts
from digitstudy.study.runner import MARGIN, UNMEASURED, Job, evidence, requirements
from digitstudy.training.metrics import wilson

PROFILES = ("laptop", "hour", "full", "smoke")  # the first that has evidence is shown
WAYS = {  # what the diary does not say of its experiments: name -> parameters, at its own size
    "constant": {"schedule": "constant", "learning_rate": 0.002, "box_gain": 1.0},
    "constant-30": {"schedule": "constant", "learning_rate": 0.002, "box_gain": 30.0},
    "one-cycle": {"schedule": "one-cycle", "learning_rate": 0.004, "box_gain": 30.0},
}
READ, PLACED = "sequence_accuracy", "localization_error"
LOWEST, HIGHEST = 0.1, 20_000  # px², ends of the logarithmic scale of a box's error


def count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"


def as_text(metric: str, value: float) -> str:
    "A measure as the tables have it: shares with three digits behind the point, px² with three digits."
    return f"{value:.3f}" if metric != PLACED else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def follows(run: Record, values: dict) -> bool:
    "Whether a run had these parameters, as far as they matter to its experiment."
    if run.experiment == "classification_only":  # its box head is never trained
        values = {name: value for name, value in values.items() if name != "box_gain"}
    return all(run.parameters.get(name, value) == value for name, value in values.items())


class Evidence:
    """The records of the checkout `root`.

    A name may be followed by a variant, as in `weighted_loss:loc_weight=10.0`,
    or by one of WAYS, as in `weighted_loss@constant`.
    """

    def __init__(self, root: Path):
        self.root, self.records, self.profile = root, {}, {}
        every = {profile: read_records(root / "reports", profile, variants=True) for profile in PROFILES}
        for experiment in catalogue():
            of = {profile: [run for run in runs if run.experiment == experiment] for profile, runs in every.items()}
            shown = (profile for profile, runs in of.items() if any(not run.variant for run in runs))
            self.profile[experiment] = next(shown, "")
            for run in of.get(self.profile[experiment], []):
                self.records.setdefault(experiment + (f":{run.variant}" if run.variant else ""), []).append(run)
            for way, values in WAYS.items():
                others = [
                    run for run in of["hour"] if run.parameters["train_examples"] == 165_000 and follows(run, values)
                ]
                if others:
                    self.records[f"{experiment}@{way}"], self.profile[f"{experiment}@{way}"] = others, "hour"
        self.shipped = json.loads((root / "reports/benchmarks/shipped/record.json").read_text())["scores"]
        self.card = json.loads((root / "digitstudy/reader/reader.json").read_text())
        cluster = root / "reports/benchmarks/cluster/record.json"  # what tests/test_cluster.py has measured so far
        self.cluster = json.loads(cluster.read_text()) if cluster.is_file() else {}
        self.scale = json.loads((root / "reports/benchmarks/scale/record.json").read_text())
        self.steps = pd.read_csv(root / "reports/benchmarks/scale/steps.csv")
        self.margin, self.unmeasured = MARGIN, UNMEASURED

    count, minutes = staticmethod(count), staticmethod(minutes)

    def measured(self, name: str) -> bool:
        return name in self.records

    def of(self, name: str, metric: str, split: str) -> pd.Series:
        "A measure, seed by seed."
        values = {run.seed: run.scores.get(split, {}).get(metric) for run in self.records.get(name, [])}
        if not values or None in values.values():
            raise Missing(f"A page asks for {metric} of {name} on {split}, which no committed record has.")
        return pd.Series(values)

    def value(self, name: str, metric: str = READ, split: str = "test") -> float:
        "The mean over seeds."
        return self.of(name, metric, split).mean()

    def ours(self, name: str, metric: str = READ, split: str = "test") -> str:
        "Mean ± standard deviation over seeds."
        return summarise(self.of(name, metric, split), 0, share=metric != PLACED)

    def each(self, name: str, metric: str = READ, split: str = "test") -> str:
        "Seed by seed."
        return ", ".join(as_text(metric, value) for value in self.of(name, metric, split))

    def between(self, name: str, metric: str = READ, split: str = "test") -> str:
        "The 95 % interval that the number of images leaves."
        return "{:.3f} to {:.3f}".format(*wilson(self.value(name, metric, split), self.images(name, split)))

    def images(self, name: str, split: str = "test") -> int:
        return int(self.records[name][0].scores[split]["images"])

    def published(self, experiment: str, metric: str = READ, split: str = "test") -> float:
        found = published().query("experiment == @experiment and metric == @metric and split == @split").value
        if found.empty:
            raise Missing(f"A page asks for 2017's {metric} of {experiment} on {split}, which was not published.")
        return found.item()

    def more(self, name: str, than: str, metric: str = READ) -> str:
        "The difference to another experiment, seed by seed, with its sign."
        gap = (self.of(name, metric, "test") - self.of(than, metric, "test")).mean()
        return f"{gap:+.3f}"

    def seeds(self, name: str) -> str:
        return count(len(self.records[name]), "seed")

    def finding(self, experiment: str, holds: bool, title: str = "") -> str:
        """A heading: the title of the experiment's notebook, or `title`. It is an error if the records do not bear it
        out."""
        notebook = catalogue()[experiment]
        title = title or json.loads(notebook.read_text())["cells"][0]["source"][0].removeprefix("# ").strip()
        if not holds:
            raise Missing(
                f"“{title}”, says the story of {experiment}, but its records no longer do: "
                "look at them, and change the title."
            )
        return f"(story-{experiment})=\n## {notebook.stem[:2]} · {title}"

    def provenance(self, experiment: str) -> str:
        "What stands behind an experiment's numbers, and where to look further."
        runs, plain = self.records[experiment], experiment.partition("@")[0]
        data = ", ".join(sorted({data_of(run) for run in runs}))
        where = f", on {data}" if plain in set(published().experiment) else ""
        claims = ""
        if plain == experiment:
            found = verdicts(self.runs(self.profile[experiment]), experiment)
            claims = "".join(f"\n- {row['2017 says']}: **{row['verdict']}**" for row in found.to_dict("records"))
        path = catalogue()[plain]
        notebook = path.relative_to(path.parents[3]).as_posix()
        return (
            f":::{{container}} evidence\nProfile `{self.profile[experiment]}`, {self.seeds(experiment)}{where}. "
            f"[Executed notebook](../../{notebook}) · [its source](source:{notebook})"
            + (f"\n\n2017 says, and our records:\n{claims}" if claims else "")
            + "\n:::"
        )

    def runs(self, profile: str) -> list:
        "The records of one profile without variants."
        return [
            run
            for name, runs in self.records.items()
            if name in self.profile and self.profile[name] == profile
            for run in runs
        ]

    def figure(self, experiment: str, **beside: str) -> str:
        "Reading and placing of an experiment: 2017, ours seed by seed, and those to compare with, as label=name."
        names = {"ours": experiment} | {label.replace("_", " "): name for label, name in beside.items()}
        panels = []
        for metric in (READ, PLACED):
            numbers = published().query("metric == @metric and split == 'test'").set_index("experiment").value
            old = numbers[numbers.index == experiment.partition("@")[0]]
            rows = [("2017", "old", list(old))] if len(old) else []
            for label, name in names.items():
                if all(metric in run.scores["test"] for run in self.records[name]):
                    rows.append((label, "ours" if name == experiment else "other", list(self.of(name, metric, "test"))))
            if any(kind == "ours" for _, kind, _ in rows):
                panels.append((metric, rows))
        return figure(panels) + "\n\n" + self.provenance(experiment)

    def figure_of_splits(self, experiment: str, **splits: str) -> str:
        "Reading and placing of an experiment on several kinds of pictures, as split=label."
        runs = self.records[experiment]
        rows = [(label, "ours", [run.scores[split][READ] for run in runs]) for split, label in splits.items()]
        return figure([(READ, rows)]) + "\n\n" + self.provenance(experiment)

    def figure_of_targets(self) -> str:
        "What the shipped reader reads of each kind of picture, between the best of 2017 and what it must reach."
        rows = []
        for target in (t for t in TARGETS if t.measure == READ):
            rows.append((target.on, "ours", [self.shipped[target.split][READ]]))
            rows += [("2017", "old", [target.diary])] if target.diary else []
            rows.append(("target", "other", [target.value]))
        return figure([(READ, rows)])

    def read_by_shipped(self, split: str, metric: str = READ) -> str:
        "What the shipped reader reads of test pictures, with its interval over pictures."
        value, images = self.shipped[split][metric], self.shipped[split]["images"]
        return "{:.3f} ({:.3f} to {:.3f})".format(value, *wilson(value, images))

    def exists(self, path: str) -> bool:
        "Whether a file is committed: what has been measured."
        return (self.root / path).is_file()

    def table(self, path: str, *columns: str) -> str:
        "A committed table, or some of its columns."
        frame = pd.read_csv(self.root / path, dtype=str, keep_default_na=False)
        return frame[list(columns) or list(frame)].to_markdown(index=False, disable_numparse=True)

    def weights(self, name: str) -> str:
        return f"{self.records[name][0].model['parameters']:,}"

    def hours(self, name: str) -> str:
        "How long the first run trained, and on what."
        cost, made = self.records[name][0].cost, self.records[name][0].environment
        machine = f"{made['device']} ({made['processor']}, {made['cores']} cores)"
        return f"{cost['seconds_training'] / 3600:.1f} hours on {machine}"

    def spread(self) -> float:
        "The largest difference in what two seeds of one experiment read, on canvases, test."
        gaps = [
            values.max() - values.min()
            for name in self.records
            if not name.startswith(("svhn", "reader")) and "@" not in name
            for values in [self.of(name, READ, "test")]
        ]
        return max(gaps)

    def limits(self) -> str:
        "What the shipped reader's card says of its limits."
        return "\n".join(f"- {said}" for said in [*self.card["limits"], self.card["not_for"]])

    def about(self, profile: str) -> str:
        "How much stands behind the report of a profile."
        runs = self.runs(profile)
        devices = ", ".join(sorted({run.environment["device"] for run in runs}))
        return (
            f"{count(len(runs), 'run')} of {count(len({run.experiment for run in runs}), 'experiment')}, on {devices}"
        )

    def profiles_table(self) -> str:
        "Sizes of each profile."
        columns = {
            "canvas": "{0.height}x{0.width}",
            "training sequences": "{0.train_examples:,}",
            "shown": "{0.epochs} times",
            "test sequences": "{0.test_examples:,}",
        }
        rows = [
            {"profile": f"`{p}`"} | {name: text.format(load_settings(p)) for name, text in columns.items()}
            for p in profiles()
        ]
        return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)

    def settings_table(self) -> str:
        "Every setting with its meaning, and its value in each profile."
        known = parameters_of(next(iter(catalogue())))
        rows = [
            {"setting": f"`{f.name}`", "type": known[f.name][1].__name__}
            | {p: str(getattr(load_settings(p), f.name)) for p in profiles()}
            for f in fields(Settings)
        ]
        return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)

    def devices(self) -> list[str]:
        "On what all records were made."
        return sorted({run.environment["device"] for runs in self.records.values() for run in runs})

    def engine(self, step: str) -> dict:
        "What a step of the engine takes at the most runs that it was measured with."
        return self.steps[self.steps.step == step].sort_values("runs").iloc[-1].to_dict()

    def engine_table(self) -> str:
        "Processor seconds of each step of the engine, by the number of runs."
        wide = self.steps.pivot(index="step", columns="runs", values="cpu_seconds").loc[self.steps.step.unique()]
        wide.columns = [f"{runs:,} runs" for runs in wide.columns]
        said = wide.map(
            lambda seconds: f"{seconds:.3f}" if seconds < 0.1 else f"{seconds:.1f}" if seconds >= 0 else "not measured"
        )
        return said.reset_index().to_markdown(index=False, disable_numparse=True)

    def asked_table(self, *of: str) -> str:
        "What a scheduler is asked for, for a run of each experiment in each of these profiles."
        known, rows = {profile: evidence(profile, self.root / "reports") for profile in of}, []
        for experiment, notebook in catalogue().items():
            row = {"experiment": notebook.stem}
            for profile in of:
                needs = requirements(Job(experiment, profile, 0), known[profile])
                row |= {
                    f"`{profile}`: h:mm": f"{needs['runtime'] // 60}:{needs['runtime'] % 60:02}",
                    f"`{profile}`: memory": f"{needs['mem_mb']:,} MB",
                }
            rows.append(row)
        return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)

    def commands(self) -> str:
        "The command line, with the first sentence of each command's help."
        return "\n".join(
            f"- `digitstudy {name}`: {command.help.strip()}" for name, command in get_command(app).commands.items()
        )

    def settings(self, profile: str, experiment: str = ""):
        return load_settings(profile, experiment)


def place(metric: str, value: float) -> float:
    "Where on its scale a value stands, in percent: shares from 0 to 1, errors on a logarithmic scale."
    part = value if metric == READ else log10(max(value, LOWEST) / LOWEST) / log10(HIGHEST / LOWEST)
    return round(100 * min(max(part, 0), 1), 1)


def figure(panels: list[tuple[str, list[tuple[str, str, list[float]]]]]) -> str:
    """Panels of rows of dots, in HTML: text that wraps and colours that follow the page. A row is a label, a kind and
    its values."""
    drawn, told = [], []
    for metric, rows in panels:
        title = METRICS[metric] + (", test" if metric == READ else ", test (log)")
        lines = []
        for label, kind, values in rows:
            mean = as_text(metric, sum(values) / len(values))
            dots = "".join(f'<i style="left:{place(metric, value)}%"></i>' for value in values)
            lines.append(
                f'<div class="row {kind}"><span>{escape(label)}</span>'
                f'<span class="track">{dots}</span><b>{mean}</b></div>'
            )
        drawn.append(f'<div class="panel"><p>{escape(title)}</p>{"".join(lines)}</div>')
        told.append(f"{title}: " + ", ".join(f"{label} {as_text(metric, sum(v) / len(v))}" for label, _, v in rows))
    return f'<div class="dots" role="img" aria-label="{escape(". ".join(told))}">{"".join(drawn)}</div>'
