"""What studios expect of the window: prompts blended live."""

from drawbar.prompts import PromptPart, weight_id
from drawbar_desktop.app import App
from tests.desktop.fakes import FakeEngine


def test_prompts_are_blended_by_faders_that_are_heard_at_once(app: App, engine: FakeEngine) -> None:
    bar, blending = app.window.transport, app.desk.blending
    bar.prompt.setText("slow piano")
    app.transport.prompt.set("slow piano")
    bar.blend.click()
    bar.blend_card.more.click()
    bar.blend_card.without.click()
    blending.set_text(1, "fast drums")
    blending.set_text(2, "bass")
    app.poll_plots()
    from PySide6.QtWidgets import QApplication

    QApplication.processEvents()
    assert [field.text() for field in bar.blend_card.fields] == ["slow piano", "fast drums", "bass"]
    bar.blend_card.faders[0].setValue(40)
    app.new_take()
    settings, _, _ = engine.played
    assert settings.blend == (
        PromptPart("slow piano", 0.4), PromptPart("fast drums", 0.5), PromptPart("bass", 1.0, unwanted=True),
    )  # fmt: skip
    bar.blend_card.faders[1].setValue(90)
    bar.blend_card.faders[2].setValue(20)
    assert ("amount", weight_id(1), 0.9) in engine.calls
    assert ("amount", weight_id(2), 0.2) in engine.calls
    assert bar.blend.isChecked()
    bar.blend_card.hide()


def test_one_prompt_alone_is_no_blend(app: App, engine: FakeEngine) -> None:
    app.transport.prompt.set("slow piano")
    app.desk.blending.add("")
    app.new_take()
    assert engine.played[0].blend == ()
