"""Rules of the layers that work on sound."""

from __future__ import annotations

from surgery.model.shapes.rules import Built, Site, rule


@rule("MelSpectrogram")
def mel_spectrogram(site: Site) -> Built:
    site.need_rank(1, "batch, samples", at_least=True)
    stride = site.get("sequence_stride", 512)
    samples = site.shape[-1]
    frames = None if samples is None else (samples + stride + 1) // stride
    batch = site.shape[:1] if len(site.shape) > 1 else ()
    return site.built((*batch, site.get("num_mel_bins", 128), frames))
