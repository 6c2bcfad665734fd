"""The types of `mlci.yaml`: the one source of the JSON Schema, the checks and the reference page.

Each class is a mapping of the file, each field a key. `key(doc, …)` carries what the schema says of it. Scalars
with a unit are plain numbers after loading: seconds, bytes, fractions of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlci.config.judging import Gate
from mlci.config.keys import (
    NAME,
    Command,
    DatasetRef,
    Duration,
    Fraction,
    Moment,
    Names,
    Param,
    Platform,
    Size,
    key,
)
from mlci.config.permission import Approvals, Freeze
from mlci.config.watching import Analysis


@dataclass(frozen=True, kw_only=True)
class Balance:
    """How far the shares of a label's values may be from those of the other dataset."""

    column: str = key("The label.")
    max_difference: Fraction | None = key("Largest difference of a value's shares in the two datasets.", None)
    min_share: Fraction | None = key("Each value that either dataset has is so frequent in this one.", None)


@dataclass(frozen=True, kw_only=True)
class Split:
    """What keeps a dataset apart from others. Without a rule: no row of theirs, over the columns that both have."""

    apart_from: tuple[DatasetRef, ...] = key("The other datasets.", minItems=1)
    keys: tuple[str, ...] = key("Columns: together, their values are not those of any row of the others.", ())
    after: tuple[str, ...] = key(
        "Columns of time, such as `[time]` or `[year, month, day]`: later in each row than in any of the others.", ()
    )
    gap: Duration | None = key("So much later at least; for one column, of dates or times.", None)
    balance: Balance | None = key("The label's values are as frequent as in each of the others.", None)
    severity: Literal["error", "warn"] = key("Whether data that breaks a rule fails, or is only spoken of.", "error")
    tolerance: Fraction = key("The share of rows that may break `keys`, `after` or have a row of theirs.", 0.0)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Files of rows, and the contract that they keep."""

    path: str = key("The files: one path or a glob, Parquet, CSV or JSON lines, relative to mlci.yaml.")
    contract: str | None = key("A JSON Schema for a row (YAML or JSON file), relative to mlci.yaml.", None)
    splits: tuple[Split, ...] = key("What keeps the rows apart from those of other datasets.", ())


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What the training needs of a machine."""

    gpus: int = key("How many GPUs.", 0, minimum=0)
    gpu_memory: Size | None = key("Memory of each GPU.", None)
    memory: Size | None = key("Main memory.", None)
    cpus: int | None = key("Processor cores.", None, minimum=1)
    runs_on: tuple[str, ...] = key("Labels of the GitHub runner.", ())


@dataclass(frozen=True, kw_only=True)
class Train:
    """The command that makes the model."""

    run: Command = key("Any command; MLCI_* variables tell it where to read and write.")
    inputs: tuple[str, ...] = key(
        "Files and globs that the command reads; local Python imports are found by themselves.", ()
    )
    data: tuple[DatasetRef, ...] = key("The datasets that the command reads.", ())
    params: dict[str, Param] = key("Parameters, given to the command and logged to the tracker.", factory=dict)
    outputs: dict[str, str] = key(
        "What the command writes: a name and a path (file or folder).", factory=dict, propertyNames=NAME
    )
    env: dict[str, str] = key("Environment variables for the command.", factory=dict)
    resources: Resources = key("What the training needs of a machine.", factory=Resources)
    timeout: Duration | None = key("Stop the command after this time.", None)
    retries: int = key("How often to run the command again when it fails.", 0, minimum=0)


@dataclass(frozen=True, kw_only=True)
class Serve:
    """The server in the image."""

    command: Command = key("Started in the image's working directory; listens on $PORT.")
    port: int = key("The port in a container ($PORT).", 8080, minimum=1, maximum=65535)
    ready: str = key("The path that answers 200 when the server can take traffic.", "/healthz", pattern="^/")
    env: dict[str, str] = key("Environment variables of the server.", factory=dict)


@dataclass(frozen=True, kw_only=True)
class Image:
    """What is built once and promoted from environment to environment."""

    repository: str | None = key(
        "The repository of a registry for images and all that is said of them, such as `ghcr.io/acme/flights`; left"
        " out: the local store.",
        None,
    )
    base: str = key(
        "`scratch`, or the image to build on, such as `python:3.12-slim` or `oci:FOLDER:TAG`; `mlci.lock` pins it.",
        "scratch",
    )
    platforms: tuple[Platform, ...] = key("Such as `linux/amd64`, `linux/arm64`; left out: this machine's.", ())
    compression: Literal["none", "zstd"] = key(
        "Of the image's own layers; weights hardly shrink, so `zstd` pays only over slow networks.", "none"
    )
    modelpack: bool = key("Also write the model as a CNCF ModelPack artifact, tagged `model`.", False)
    python: str | None = key(
        "The Python that the requirements are for, such as `3.12`; left out: the base's, or mlci's own.",
        None,
        pattern=r"^3\.\d+$",
    )
    dockerfile: str | None = key(
        "Build on what this Dockerfile makes, by docker or buildah; it brings the code and the requirements.", None
    )
    args: dict[str, str] = key("Build arguments of the Dockerfile.", factory=dict)
    requirements: str | None = key("A requirements file with pinned versions.", None)
    copy: tuple[str, ...] = key(
        "Files and globs of the project that the image carries, or that the Dockerfile may copy.", ()
    )
    serve: Serve | None = key("The server in the image.", None)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Traffic made from the rows of a dataset, when there is none of its own."""

    data: DatasetRef = key("The dataset whose rows are sent.")
    path: str = key('Where they are sent, as POST with a JSON body {"instances": [row]}.', "/predict", pattern="^/")
    rate: float = key("Requests per second.", 200.0, exclusiveMinimum=0)


@dataclass(frozen=True, kw_only=True)
class Tls:
    """What the proxy answers HTTPS with; files that are replaced are read again."""

    certificate: str = key("The certificate and its chain, a PEM file.")
    key: str = key("Its private key, a PEM file without a passphrase.")


@dataclass(frozen=True, kw_only=True)
class Sticky:
    """What a user is known by; one of them."""

    header: str | None = key("A request header, such as `x-user`.", None, pattern="^[A-Za-z0-9-]{1,100}$")
    cookie: str | None = key(
        "A cookie that your application sets, such as `session`.", None, pattern="^[A-Za-z0-9_-]{1,100}$"
    )


@dataclass(frozen=True, kw_only=True)
class Container:
    """What each server may have, by drivers that run containers."""

    memory: Size | None = key("Main memory; a server that needs more is ended.", None, minimum=6 << 20)
    cpus: float | None = key("Processor cores, such as `1.5`.", None, exclusiveMinimum=0)
    gpus: int = key("How many GPUs.", 0, minimum=0)
    writable: bool = key("Whether it may write to its file system; `/tmp` it may always.", False)


@dataclass(frozen=True, kw_only=True)
class Deploy:
    """How a version gets its traffic."""

    driver: Literal["process", "docker", "kubernetes"] = key("Where it runs.", "process")
    strategy: Literal["canary", "blue-green", "shadow", "ab", "recreate"] = key("How it takes over.", "canary")
    steps: tuple[Fraction, ...] = key(
        "Shares of the traffic for a canary, of the users for `ab`, rising.", (0.05, 0.25, 0.5)
    )
    sticky: Sticky | None = key("Strategy `ab`: whose requests stay with one version.", None, shorthand="header")
    port: int | None = key(
        "The proxy's port on this machine; left out: a free one, kept from then on.", None, minimum=1, maximum=65535
    )
    tls: Tls | None = key("Certificates, for HTTPS; left out: plain HTTP.", None)
    repeatable: bool = key(
        "A request may be sent twice, as it only asks: what a canary fails, drops or sits on is sent again to the "
        "stable version. Without it only what no version has seen is sent again.",
        False,
    )
    access_log: bool = key("A line of JSON for each request, in the proxy's folder as `access.log`.", False)
    replay: Replay | None = key(
        "Traffic made from a dataset; a name alone means its rows at the default rate.", None, shorthand="data"
    )
    analysis: Analysis = key("When to go on, when to take back.", factory=Analysis)
    ready_timeout: Duration = key("How long a version may take to get ready.", 60.0)
    keep: Duration = key(
        "How long the version before goes on running after a switch: going back to it is a change of routes.", 0.0
    )
    replicas: int = key("How many servers each version has.", 1, minimum=1, maximum=64)
    restart: bool = key("Whether a server of the stable version is started again when it ends by itself.", True)
    container: Container = key("What each server may have (driver `docker`).", factory=Container)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One place that models are promoted to; environments stand in their order."""

    repository: str | None = key(
        "The repository of a registry where it has its tags; what is promoted there is copied with all that is said of"
        " it. Left out: where the images are.",
        None,
    )
    requires: tuple[str, ...] = key("Steps and environments whose evidence the digest must carry.", ())
    soak: Duration | None = key(
        "How long it must have been in each environment that `requires` names, without a break.", None
    )
    served: int | None = key(
        "How many requests it must have answered as a canary, in each of those, in deployments that went well.",
        None,
        minimum=1,
    )
    signed_by: Names = key("Whose evidence counts: names of `signing.signers`; left out: everybody's.", ())
    approvals: Approvals | None = key("Who must approve; a number alone is the `count`.", None, shorthand="count")
    max_age: Duration | None = key("How old the receipts of steps, and approvals, may be.", None)
    not_before: Moment | None = key("Nothing comes before this moment: `2026-12-20T18:00Z`, or a date.", None)
    freeze: tuple[Freeze, ...] = key(
        "Times in which nothing new comes; a line alone is its `weekly`.", (), shorthand="weekly"
    )
    deploy: Deploy | None = key("How it is deployed; left out: only the tag moves.", None)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How drift is measured."""

    method: Literal["psi", "js", "ks", "wasserstein"] = key("The distance.", "psi")
    max: float = key("The largest allowed distance.", 0.2, minimum=0)


@dataclass(frozen=True, kw_only=True)
class Monitor:
    """What production sees, compared with what the model learned from."""

    reference: DatasetRef = key("The dataset to compare with.")
    current: str = key("The files of live rows: a path or a glob.")
    drift: Drift = key("How drift is measured.", factory=Drift)


@dataclass(frozen=True, kw_only=True)
class Retrain:
    """When to train again."""

    when: tuple[str, ...] = key("`drift`, `degradation`, `schedule: CRON`, `new rows: N`.", ())


@dataclass(frozen=True, kw_only=True)
class MLflow:
    """An MLflow server or database: the training and the gate are logged to one run."""

    uri: str = key("The tracking URI, such as `sqlite:///mlflow.db`.", minLength=1)
    model: str | None = key(
        "The registered model whose aliases `challenger` and `champion` follow; left out: nothing is registered.",
        None,
        pattern="^[A-Za-z0-9][A-Za-z0-9 _.-]*$",
    )


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Where runs are logged."""

    mlflow: MLflow | None = key("An MLflow server or database; a URI alone will do.", None, shorthand="uri")


@dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """Where results are shared."""

    remote: str | None = key("A registry's repository for shared results, such as ghcr.io/acme/flights-results.", None)
    trust: tuple[str, ...] = key(
        "Whose results may be reused: names of `signing.signers`. Left out: those of main, and of one's own kind.", ()
    )


@dataclass(frozen=True, kw_only=True)
class SignerConfig:
    """Somebody whose signatures count: a key, or whom the certificate of a keyless signature names."""

    public_key: str | None = key("A file with the public key (PEM), relative to mlci.yaml.", None)
    identity: str | None = key(
        "A workflow, `https://github.com/OWNER/REPO/.github/workflows/FILE@REF`, or a person's address.", None
    )
    issuer: str = key("Who vouches for the identity.", "https://token.actions.githubusercontent.com")


@dataclass(frozen=True, kw_only=True)
class Signing:
    """What signs the evidence, and whose signatures count."""

    signers: dict[str, SignerConfig] = key(
        "Whose signatures count, by the names that `signed_by` and `trust` use.", factory=dict, propertyNames=NAME
    )
    trusted_root: str | None = key(
        "A file with a Sigstore trusted root, for identities; left out: that of the public instance.", None
    )
    # Last, because its name is that of the function.
    key: str | None = key(
        "A file with the private key (PEM), `env:NAME`, a key of a KMS (`awskms:KEY`, `gcpkms:KEY`, `hv:KEY`), or"
        " `keyless` (GitHub); left out: nothing is signed.",
        None,
    )


@dataclass(frozen=True, kw_only=True)
class Config:
    """The whole of `mlci.yaml`."""

    version: Literal[1] = key("The version of this format.")
    project: str = key("The project's name.", pattern="^[a-z0-9]+([._-][a-z0-9]+)*$")
    data: dict[str, Dataset] = key("Datasets by name.", factory=dict, propertyNames=NAME)
    train: Train | None = key("The command that makes the model.", None)
    gate: Gate | None = key("Is the new model good enough?", None)
    image: Image | None = key("What is built once and promoted.", None)
    environments: dict[str, Environment] = key(
        "Where models are promoted to, in order.", factory=dict, propertyNames=NAME
    )
    monitor: Monitor | None = key("What production sees.", None)
    retrain: Retrain | None = key("When to train again.", None)
    tracking: Tracking = key("Where runs are logged.", factory=Tracking)
    store: StoreConfig = key("Where results are shared.", factory=StoreConfig)
    signing: Signing = key("What signs the evidence, and whose signatures count.", factory=Signing)
