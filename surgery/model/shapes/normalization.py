"""Rules of the normalizations."""

from __future__ import annotations

from dataclasses import replace

from surgery.model.shapes.rules import Built, Site, Variable, rule


@rule("BatchNormalization")
def batch_normalization(site: Site) -> Built:
    axis = _axis(site, site.get("axis", -1))
    shape = (site.need_known(axis, "channels"),)
    parts: list[tuple[str, str, bool]] = []
    if site.layer.config.get("scale", True):
        parts.append(("gamma", "gamma_initializer", True))
    if site.layer.config.get("center", True):
        parts.append(("beta", "beta_initializer", True))
    parts.append(("moving_mean", "moving_mean_initializer", False))
    parts.append(("moving_variance", "moving_variance_initializer", False))
    if site.get("renorm"):
        parts.append(("moving_stddev", "moving_variance_initializer", False))
        parts.append(("renorm_mean", "moving_mean_initializer", False))
        parts.append(("renorm_stddev", "moving_variance_initializer", False))
    made = (site.variable(index, name, shape, entry, trains) for index, (name, entry, trains) in enumerate(parts))
    return site.built(site.shape, *made)


@rule("LayerNormalization")
def layer_normalization(site: Site) -> Built:
    shape = _normalized(site)
    rms = bool(site.get("rms_scaling"))
    names = ["gamma"] if rms or site.layer.config.get("scale", True) else []
    names += ["beta"] if not rms and site.layer.config.get("center", True) else []
    return site.built(site.shape, *(site.variable(index, name, shape) for index, name in enumerate(names)))


@rule("RMSNormalization")
def rms_normalization(site: Site) -> Built:
    return site.built(site.shape, site.variable(0, "scale", _normalized(site), "Ones"))


@rule("GroupNormalization")
def group_normalization(site: Site) -> Built:
    channels = site.need_known(_axis(site, site.get("axis", -1)), "channels")
    groups = site.get("groups", 32)
    groups = channels if groups == -1 else groups
    if channels % groups:
        raise site.refused(f"GroupNormalization cannot divide {channels} channels into {groups} groups")
    names = [name for name, key in (("gamma", "scale"), ("beta", "center")) if site.layer.config.get(key, True)]
    return site.built(site.shape, *(site.variable(index, name, (channels,)) for index, name in enumerate(names)))


@rule("UnitNormalization")
def unit_normalization(site: Site) -> Built:
    return site.built(site.shape)


@rule("Normalization")
def normalization(site: Site) -> Built:
    given = site.layer.config.get("axis", -1)
    axes = [given] if isinstance(given, int) else list(given or ())
    kept = sorted(_axis(site, axis) for axis in axes)
    shape = tuple(site.need_known(axis, "values on the kept axes") for axis in kept)
    if site.layer.config.get("mean") is not None:
        return site.built(site.shape)
    return site.built(
        site.shape,
        site.variable(0, "mean", shape, "Zeros", trainable=False),
        site.variable(1, "variance", shape, "Ones", trainable=False),
        _counter(site.variable(2, "count", (), "Zeros", trainable=False)),
    )


def _counter(variable: Variable) -> Variable:
    """Keras counts in its default integer, whatever the layer's policy."""
    return replace(variable, dtype="int64")


def _normalized(site: Site) -> tuple[int | None, ...]:
    """The sizes of the normalized axes, in the order of a sorted list of axes."""
    given = site.get("axis", -1)
    axes = [given] if isinstance(given, int) else sorted(given)
    return tuple(site.shape[_axis(site, axis)] for axis in axes)


def _axis(site: Site, axis: int | list[int]) -> int:
    """An axis counted from the front; refuses one that the input does not have."""
    index = axis if isinstance(axis, int) else axis[0]
    if not -len(site.shape) <= index < len(site.shape):
        raise site.refused(f"{site.class_name} works on axis {index}, and gets {site.shown}")
    return index % len(site.shape)
