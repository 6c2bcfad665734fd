"""build: one image from requirements, code and model; the same digest on every machine and every run."""

from __future__ import annotations

from dataclasses import dataclass

from mlci import image
from mlci.errors import WorldError
from mlci.evidence import results
from mlci.evidence.receipt import Material, Receipt
from mlci.steps.attached import attach, keep_out
from mlci.steps.bases import LATEST, base_materials
from mlci.steps.files import materials
from mlci.steps.image import declared, files, spec
from mlci.steps.protocol import Context, Inputs, Result
from mlci.steps.repository import asking
from mlci.store import NotFound

MODEL = "model"
"""The tag of the newest model as a ModelPack artifact."""


@dataclass(frozen=True)
class Build:
    """Build once what will be promoted."""

    after: tuple[str, ...] = ()
    name: str = "build"

    def inputs(self, ctx: Context) -> Inputs:
        read = [*materials(ctx.project, ctx.home, files(ctx)), *base_materials(ctx)]
        if "train" in ctx.upstream:
            read += [Material(name, digest, "train") for name, digest in ctx.upstream["train"].subjects.items()]
        return Inputs(declared(ctx), tuple(read))

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        """The image of before, unless its registry does not have it any more."""
        receipt = results.find(ctx.store, self.name, inputs.key(self.name))
        if receipt is None or ctx.images is ctx.store:
            return receipt
        image = receipt.subjects["image"]
        with asking(ctx, "whether the image is there"):
            there = ctx.images.resolve(LATEST) == image or ctx.images.resolve(image) == image
        return receipt if there else None

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        keep_out(ctx.project, [path for path, _ in files(ctx)])
        made = spec(ctx)
        with asking(ctx, "to take the image"):
            built = image.build(ctx.store, made, target=ctx.images, last=LATEST, log=ctx.say, stop=ctx.stop)
            packed = _packed(ctx, made.model)
        layers = [vars(layer) for layer in built.layers]
        return Result(
            verdict="pass",
            summary=f"{built.descriptor.digest[:19]}, {len(layers)} layers, {built.size / 1e6:,.1f} MB",
            subjects={"image": built.descriptor.digest},
            facts={"digest": built.descriptor.digest, "size": built.size, "layers": layers, **packed},
            outputs=(built.descriptor,) if ctx.images is ctx.store else (),
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """The evidence of the steps before, and of the build itself, travels with the image, signed; last, its tag."""
        with asking(ctx, "to take what is said of the image"):
            manifest = ctx.images.get_manifest(receipt.subjects["image"])
            attach(ctx, manifest.descriptor, receipt)
            if _newest(ctx) != manifest.digest:
                ctx.images.put_manifest(manifest.raw, manifest.media_type, tag=LATEST)
                if (found := _newest(ctx)) != manifest.digest:
                    raise WorldError(
                        f"the tag {LATEST} was set to {manifest.digest} and is {found}",
                        help="another build set it at the same time; run it again where this one is to be the newest",
                    )


def _newest(ctx: Context) -> str | None:
    try:
        return ctx.images.resolve(LATEST)
    except NotFound:
        return None


def _packed(ctx: Context, model: str | None) -> dict[str, str]:
    """The model as an artifact of its own beside the image, where that is asked for."""
    config = ctx.project.config.image
    if config is None or not config.modelpack or model is None:
        return {}
    written = image.modelpack(ctx.store, model, ctx.images, name=ctx.project.config.project, tag=MODEL)
    return {"modelpack": written.digest}
