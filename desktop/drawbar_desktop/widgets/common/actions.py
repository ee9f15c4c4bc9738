"""One record of the calls that the window makes to the application; widgets know nothing of the engine."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from drawbar.bank.records import Example
from drawbar_desktop.state.export import ExportChoice, ExportOffer
from drawbar_desktop.state.presets import Preset


def _nothing(*_: object, **__: object) -> None:
    return None


@dataclass
class Actions:
    """Each does nothing until the application gives it a meaning."""

    toggle_play: Callable[[], object] = _nothing
    """Play or pause what is shown."""
    new_take: Callable[[], object] = _nothing
    again: Callable[[], object] = _nothing
    """The same seed once more."""
    vary: Callable[[], object] = _nothing
    end_take: Callable[[], object] = _nothing
    play_something: Callable[[], object] = _nothing
    """A prompt, four sliders and a take, for who comes for the first time."""
    open_audio: Callable[[], object] = _nothing
    export: Callable[[], object] = _nothing
    """Ask how to export the selected take, or the last one."""
    offer_export: Callable[[], ExportOffer | None] = _nothing
    write_export: Callable[[ExportChoice], object] = _nothing
    add: Callable[..., object] = _nothing
    """(feature id, place in the rack or None)."""
    add_best: Callable[[], object] = _nothing
    title_of: Callable[[str], str] = field(default=lambda id: id)
    listen: Callable[[Example], object] = _nothing
    """Play an example; None stops it."""
    preview: Callable[[str | None], object] = _nothing
    """Hover over a feature: its best example; None stops it."""
    seek: Callable[[float], object] = _nothing
    play_take: Callable[[str], object] = _nothing
    stop_take: Callable[[], object] = _nothing
    show_take: Callable[[str], object] = _nothing
    recall: Callable[[str], object] = _nothing
    compare_features: Callable[[str, str], object] = _nothing
    """Two features side by side."""
    delete_take: Callable[[str], object] = _nothing
    compare: Callable[[], object] = _nothing
    drop_file: Callable[[Path], object] = _nothing
    continue_from: Callable[[float], object] = _nothing
    make_slider: Callable[..., object] = _nothing
    """Open the dialog that makes one from examples."""
    build_bank: Callable[..., object] = _nothing
    """Open the card that builds a bank."""
    make_word: Callable[[str], object] = _nothing
    """Make a slider of a word."""
    stop_word: Callable[[], object] = _nothing
    hear: Callable[[bool], object] = _nothing
    detect_tempo: Callable[[], object] = _nothing
    tap: Callable[[], object] = _nothing
    """Beat time: the tempo of the bars."""
    keep_loop: Callable[[], object] = _nothing
    """The loop stays with the take."""
    save_preset: Callable[[str], object] = _nothing
    load_preset: Callable[[Preset], object] = _nothing
    hear_preset: Callable[[Preset], object] = _nothing
    """A take with it, without giving up the rack."""
    choose_device: Callable[[str], object] = _nothing
    refresh_devices: Callable[[], object] = _nothing
    open_settings: Callable[..., object] = _nothing
    """(name of the page)."""
    blind_test: Callable[[], object] = _nothing
    """Open the blind listening test."""
    fold: Callable[[str], object] = _nothing
    """Fold a panel by its name, or open it."""
    set_theme: Callable[[str], object] = _nothing
    closing: Callable[[], object] = _nothing
