"""Our T5 encoder against transformers' own: the same states, on any size, with padding, and for the embedded model."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from drawbar.errors import BadInputError
from drawbar.musicgen.network.meta_init import blank
from drawbar.musicgen.network.t5 import T5Encoder, T5Settings
from drawbar.musicgen.network.text_encoder import load_text_encoder
from drawbar.musicgen.untrusted_files import read_config, read_tensors
from drawbar.paths import embedded_model_dir

TOLERANCE = 1e-5
"""Measured: 0 on an x86-64 CPU; another machine's matrix product may round differently."""


def pair(seed: int = 0, **changes: Any) -> tuple[T5EncoderModel, T5Encoder]:
    """Random weights in both."""
    torch.manual_seed(seed)
    sizes: dict[str, Any] = dict(vocab_size=40, d_model=24, d_kv=8, d_ff=48, num_layers=3, num_heads=2)
    config = T5Config(**{**sizes, **changes})
    theirs = T5EncoderModel(config).eval()
    ours = T5Encoder(T5Settings.read(config.to_dict()))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours.eval()


@pytest.mark.parametrize(
    "changes",
    [
        {"feed_forward_proj": "relu"},
        {"feed_forward_proj": "gated-gelu"},
        {"d_kv": 16, "num_heads": 3, "num_layers": 1},
        {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 20},
        {"layer_norm_epsilon": 1e-3},
    ],
)
@pytest.mark.parametrize("length", [1, 7, 200])
@torch.no_grad()
def test_the_states_are_those_of_transformers(changes: dict[str, Any], length: int) -> None:
    theirs, ours = pair(**changes)
    words = torch.randint(0, 40, (2, length))
    assert theirs.state_dict().keys() == ours.state_dict().keys()
    expected = theirs(input_ids=words, attention_mask=torch.ones_like(words)).last_hidden_state
    assert expected.abs().max() > 0.1
    assert (ours(words) - expected).abs().max() <= TOLERANCE


@pytest.mark.parametrize("kind", ["relu", "gated-gelu"])
@torch.no_grad()
def test_padding_is_not_read(kind: str) -> None:
    theirs, ours = pair(feed_forward_proj=kind)
    words = torch.randint(0, 40, (3, 9))
    mask = torch.arange(9)[None] < torch.tensor([9, 4, 1])[:, None]
    expected = theirs(input_ids=words, attention_mask=mask.long()).last_hidden_state
    assert (ours(words, mask) - expected)[mask].abs().max() <= TOLERANCE
    assert (ours(words[1:2, :4]) - ours(words, mask)[1:2, :4]).abs().max() <= TOLERANCE
    assert (ours(words) - expected)[mask].abs().max() > 1e-3


@torch.no_grad()
def test_the_embedded_models_prompts_read_as_with_transformers() -> None:
    folder = embedded_model_dir()
    section = read_config(folder / "config.json")["text_encoder"]
    prefix = "text_encoder."
    tensors = {
        name[len(prefix) :]: tensor.float()
        for name, tensor in read_tensors(folder).items()
        if name.startswith(prefix)
    }
    reader = load_text_encoder(folder, section, tensors)
    theirs = T5EncoderModel(T5Config.from_dict(section)).eval()
    theirs.load_state_dict({"encoder.embed_tokens.weight": tensors["shared.weight"], **tensors})
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for prompt in (
        "slow piano in A minor with drums",
        "choir",
        "fast rock drums guitar chords bass dense loud",
    ):
        words = torch.tensor([tokenizer.encode(prompt).ids])
        expected = theirs(input_ids=words, attention_mask=torch.ones_like(words)).last_hidden_state
        states, mask = reader.encode([prompt])
        assert bool(mask.all())
        assert (states - expected).abs().max() <= TOLERANCE


WILD = (
    "80s pop track with bassy drums and synth",
    "Taiko-Trommeln, düster & groß",
    "激しい太鼓と尺八",
    "موسيقى هادئة",
    "быстрая   балалайка\n\tс  барабанами",
    "drums 🥁🥁 and a ﬁne piano 🎹 […] ①",
    "\u200b\u00a0",
    " ".join(f"drum{n % 7}" for n in range(170)),
)
"""Other languages, emoji, ligatures, blanks of every kind, and as long as a page."""


@torch.no_grad()
def test_prompts_in_the_wild_are_read_as_transformers_reads_them(tmp_path: Path) -> None:
    """A vocabulary of pieces as T5's own: what it does not know stays in the prompt as <unk>."""
    tokenizer = Tokenizer(models.Unigram([("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)], unk_id=2))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([WILD[0], WILD[1], WILD[4], WILD[7]] * 4, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    theirs, _ = pair(vocab_size=160)
    reader = load_text_encoder(tmp_path, theirs.config.to_dict(), theirs.state_dict())
    reference = T5Tokenizer(tokenizer_file=str(tmp_path / "tokenizer.json"), extra_ids=0)
    for prompt in WILD:
        words = reference(prompt, return_tensors="pt").input_ids
        expected = theirs(input_ids=words).last_hidden_state
        states, mask = reader.encode([prompt])
        if mask.any():
            assert states.shape == expected.shape, prompt
            assert (states - expected).abs().max() <= TOLERANCE, prompt
        else:  # nothing but blanks is null text, as audiocraft's empty descriptions are
            assert words.shape[1] == 1
    many = reader.encode([WILD[-1]])[1].shape[1]
    assert 256 < many <= 512
    with pytest.raises(BadInputError, match=r"has \d+ tokens, at most 512 are read: shorten it"):
        reader.encode([" ".join([WILD[-1]] * 3)])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_heads": "two"}, "num_heads two"),
        ({"d_ff": 0}, "d_ff 0"),
        ({"num_layers": 10**6}, "num_layers 1000000: at most"),
        ({"feed_forward_proj": "gated-silu"}, "gated-silu: .*gated-gelu"),
        ({"relative_attention_num_buckets": 3}, "multiple of 4"),
        ({"relative_attention_max_distance": 8}, "above a quarter"),
        ({"layer_norm_epsilon": None}, "layer_norm_epsilon None"),
    ],
)
def test_sizes_that_no_t5_has_are_refused(changes: dict[str, Any], reason: str) -> None:
    config = json.loads(json.dumps({**T5Config().to_dict(), **changes}))
    with pytest.raises(BadInputError, match=reason):
        T5Settings.read(config)


def test_a_blank_module_has_names_and_shapes_and_takes_no_memory_or_random_number() -> None:
    settings = T5Settings(vocab_size=40, d_model=24, d_kv=8, d_ff=48, num_layers=1, num_heads=2)
    before = torch.get_rng_state()
    empty = blank(lambda: T5Encoder(settings))
    assert torch.equal(torch.get_rng_state(), before)
    full = T5Encoder(settings).state_dict()
    assert {name: t.shape for name, t in empty.state_dict().items()} == {
        name: t.shape for name, t in full.items()
    }
    assert all(parameter.device.type == "meta" for parameter in empty.parameters())
