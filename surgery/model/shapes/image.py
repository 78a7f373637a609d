"""Rules of the image preprocessing and augmentation layers."""

from __future__ import annotations

from surgery.model.shapes.rules import Built, Site, rule

AUGMENTATIONS = (
    *("AugMix", "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "CutMix", "MixUp", "RandAugment"),
    *("RandomBrightness", "RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomElasticTransform"),
    *("RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomHue", "RandomInvert", "RandomPerspective"),
    *("RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear"),
    *("RandomTranslation", "RandomZoom", "Solarization"),
)
"""Layers that change the values of images and not their shape."""


@rule("Rescaling")
def rescaling(site: Site) -> Built:
    return site.built(site.shape)


@rule(*AUGMENTATIONS)
def augmentation(site: Site) -> Built:
    _need_images(site)
    return site.built(site.shape)


@rule("Equalization", "RandomGrayscale")
def recolouring(site: Site) -> Built:
    _need_images(site)
    return site.built(site.shape, dtype=site.carried())


@rule("Resizing", "CenterCrop", "RandomCrop")
def resizing(site: Site) -> Built:
    _need_images(site)
    shape = list(site.shape)
    rows = -2 if site.is_channels_first else -3
    shape[rows], shape[rows + 1] = site.get("height"), site.get("width")
    return site.built(shape)


def _need_images(site: Site) -> None:
    site.need_rank(3, "batch, rows, columns, channels", at_least=True)
    if len(site.shape) > 4:
        site.need_rank(4, "batch, rows, columns, channels")
