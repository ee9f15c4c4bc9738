"""``FOLDER``, ``FOLDER:sub``, ``owner/name`` or ``owner/name:sub`` -> folders of ready SAEs, by layer, one for each.

A repository's files are fetched once into the cache that every Hugging Face program shares: the two files of the SAE
that was named, however many others the repository holds.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from drawbar.errors import BadInputError, CheckpointError
from drawbar.sae import load_sae
from drawbar.sae.checkpoint import CONFIG_FILE, WEIGHTS_FILE

_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_SHOWN = 12


def ready_saes(specs: Sequence[str], fingerprint: str) -> dict[int, Path]:
    """Layer -> the folder of its SAE, in the order of the layers.

    Raises:
        BadInputError: two SAEs of one layer, or a name that is neither a folder nor a repository's.
        CheckpointError: a folder or repository without the files, or with several SAEs and none named.
        NotSupportedError: an SAE of something that is no residual stream, or of another kind.
        SiteMismatchError: an SAE of another model.
    """
    found: dict[int, tuple[str, Path]] = {}
    for spec in specs:
        folder = sae_folder(spec)
        layer = load_sae(folder, fingerprint=fingerprint).layer
        if layer in found:
            raise BadInputError(
                f"{found[layer][0]} and {spec} are both SAEs of layer {layer}: a bank holds one SAE a layer; name one "
                "of them, or build two banks in two folders (--out)"
            )
        found[layer] = (spec, folder)
    return {layer: found[layer][1] for layer in sorted(found)}


def sae_folder(spec: str) -> Path:
    """One of them -> its folder on this machine, fetched if need be: whoever calls has asked for its licence.

    Raises as :func:`ready_saes` does.
    """
    here = _here(spec)
    if here is not None:
        return here
    from drawbar.musicgen.checkpoint import hub

    name, _, inside = spec.partition(":")
    there = hub.listing(name)
    folders = [
        file.name.removesuffix(CONFIG_FILE).rstrip("/") for file in there.files if _is_config(file.name)
    ]
    wanted = _choose(spec, inside.strip("/"), folders)
    return hub.fetch_folder(there, wanted, (CONFIG_FILE, WEIGHTS_FILE))


def require_licences(specs: Sequence[str]) -> None:
    """Raises BadInputError for one that would be fetched under a licence that somebody has to accept first."""
    from drawbar.musicgen.checkpoint import hub

    for spec in specs:
        if _here(spec) is not None:
            continue
        there = hub.listing(spec.partition(":")[0])
        if not there.licence.free:
            raise BadInputError(
                f"{there.name} is not on this machine; licence {there.licence.terms}: read it at "
                f"https://huggingface.co/{there.name}, then say --accept-licence"
            )


def _here(spec: str) -> Path | None:
    if spec and Path(spec).is_dir():
        return _only(Path(spec), spec)
    base, _, sub = spec.rpartition(":")
    if base and Path(base).is_dir():
        return _only(Path(base) / sub, spec)
    name, _, inside = spec.partition(":")
    if _NAME.fullmatch(name) is None:
        raise BadInputError(
            f"--sae {spec!r} is neither a folder nor owner/name of a repository, with :SUBFOLDER behind it "
            "where it holds several SAEs"
        )
    from drawbar.musicgen.checkpoint import hub  # a sixth of a worker's start, and folders need none of it

    return hub.cached_folder(name, inside, (CONFIG_FILE, WEIGHTS_FILE))


def _is_config(name: str) -> bool:
    return name == CONFIG_FILE or name.endswith(f"/{CONFIG_FILE}")


def _only(folder: Path, spec: str) -> Path:
    """The folder, or the one folder below it that holds an SAE."""
    if (folder / CONFIG_FILE).is_file() or not folder.is_dir():
        return folder  # what is missing is said where it is read
    inside = sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob(CONFIG_FILE))
    return folder / _choose(spec, "", inside) if inside else folder


def _choose(spec: str, wanted: str, folders: Sequence[str]) -> str:
    """The folder that was named, or the only one."""
    if wanted in folders:
        return wanted
    below = [folder for folder in folders if folder.startswith(f"{wanted}/") or not wanted]
    if len(below) == 1:
        return below[0]
    if not folders:
        raise CheckpointError(f"{spec} holds no SAE: there is no {CONFIG_FILE} in it")
    offered = below or list(folders)
    listed = ", ".join(offered[:_SHOWN]) + (
        f" and {len(offered) - _SHOWN} more" if len(offered) > _SHOWN else ""
    )
    raise CheckpointError(
        f"{spec} names {'none' if not below else 'several'} of the SAEs there: add :SUBFOLDER, one of {listed}"
    )
