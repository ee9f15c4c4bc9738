"""CLAP with small random weights in a folder -> unit vectors, the same again; names of LAION's tensors; vocabulary."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import ClapConfig, ClapModel, PreTrainedTokenizerFast

from drawbar.audio_analysis.clap import ClapEmbedder, _renamed, load_clap, read_vocabulary, weights_key
from drawbar.errors import BadInputError, CheckpointError

WORDS = ["<pad>", "<unk>", "the", "sound", "of", "bell", "drums"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clap")
    torch.manual_seed(0)
    config = ClapConfig(
        text_config={"vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                     "intermediate_size": 32, "max_position_embeddings": 90, "projection_dim": 16, "pad_token_id": 0},
        audio_config={"patch_embeds_hidden_size": 8, "depths": [1, 1], "num_attention_heads": [2, 2],
                      "hidden_size": 16, "projection_dim": 16},
        projection_dim=16,
    )  # fmt: skip
    ClapModel(config).save_pretrained(path)
    plain = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", unk_token="<unk>").save_pretrained(
        path
    )
    return path


@pytest.fixture(scope="module")
def clap(folder: Path) -> ClapEmbedder:
    return load_clap(str(folder))


def test_audio_and_words_become_unit_vectors_of_one_space(clap: ClapEmbedder) -> None:
    generator = np.random.default_rng(0)
    stretches = [generator.standard_normal(n).astype(np.float32) / 8 for n in (32_000, 160_000, 480_000)]
    audio = clap.embed_audio(stretches, 32_000)
    text = clap.embed_text(["the sound of bell", "the sound of drums", "bell"])
    assert audio.shape == text.shape == (3, 16)
    torch.testing.assert_close(audio.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(clap.embed_audio(stretches[1:2], 32_000), audio[1:2], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(clap.embed_text(["bell"]), text[2:], atol=1e-5, rtol=1e-4)


def test_weights_that_are_not_there_are_named_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="laion/larger_clap_music"):
        load_clap(str(tmp_path))
    (tmp_path / "x.safetensors").write_bytes(b"1234")
    assert weights_key(str(tmp_path)) == [["x.safetensors", 4]]


def test_laions_tensors_get_transformers_names() -> None:
    block = "audio_branch.layers.0.blocks.1."
    given = {
        f"{block}attn.qkv.weight": torch.arange(12.0).view(6, 2),
        f"{block}attn.proj.weight": torch.zeros(1),
        f"{block}norm1.weight": torch.zeros(1),
        f"{block}mlp.fc2.bias": torch.zeros(1),
        "audio_branch.bn0.weight": torch.zeros(1),
        "text_branch.encoder.layer.0.attention.self.query.weight": torch.zeros(1),
        "text_projection.0.weight": torch.zeros(1),
        "audio_projection.2.bias": torch.zeros(1),
        "logit_scale_a": torch.zeros(()),
    }
    found = _renamed(given)
    encoder = "audio_model.audio_encoder.layers.0.blocks.1."
    assert found[f"{encoder}attention.self.key.weight"].tolist() == [[4.0, 5.0], [6.0, 7.0]]
    with torch.device("meta"):
        known = set(ClapModel(ClapConfig()).state_dict())
    assert set(found) - known == set()


def test_a_vocabulary_is_one_term_a_line(tmp_path: Path) -> None:
    terms = read_vocabulary()
    assert len(terms) > 200
    assert "taiko drums" in terms
    (tmp_path / "v.txt").write_text("# mine\nbell\n bell \n\ndrums # loud\nrain\nwind\n", "utf-8")
    assert read_vocabulary(tmp_path / "v.txt") == ["bell", "drums", "rain", "wind"]
    (tmp_path / "v.txt").write_text("bell\n", "utf-8")
    with pytest.raises(BadInputError, match="at least 4"):
        read_vocabulary(tmp_path / "v.txt")
