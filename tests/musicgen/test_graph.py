"""The frame graph beside the plain step, and half precision that gives up."""

import copy

import pytest
import torch
from torch import Tensor

from drawbar.errors import BadInputError, NotFiniteError
from drawbar.musicgen import Model
from drawbar.musicgen.generation.generation import Generation, GenerationSettings
from drawbar.musicgen.generation.graph import FrameGraph
from drawbar.musicgen.generation.sampling import Sampler
from drawbar.musicgen.network.step import Stepper
from drawbar.musicgen.quantised.precision import make_stepper
from drawbar.steering import Direction, Mixer

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
FRAMES = 14


def mixer(model: Model, mode: str = "add") -> Mixer:
    torch.manual_seed(3)
    vector = torch.nn.functional.normalize(torch.randn(model.spec.d_model), dim=0)
    result = Mixer([Direction("1/0", 1, vector, 2.0, encoder=vector, mode=mode)], spec=model.spec)  # type: ignore[arg-type]
    result.set("1/0", 1.5)
    return result


def tokens(
    model: Model, *, graphed: bool, temperature: float = 1.0, twin: bool = False, steered: str | None = None,
    stepper: Stepper | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    settings = GenerationSettings((11,), 3.0, FRAMES, twin)
    stepper = stepper or Stepper(model.decoder)
    device = stepper.decoder.positions.device
    states = torch.randn(1, 4, model.spec.text_dim, generator=torch.Generator().manual_seed(1))
    rows = 4 if twin else 2
    text = stepper.text(
        states.repeat(rows, 1, 1).to(device), (torch.arange(rows) % 2 == 0)[:, None].repeat(1, 4).to(device)
    )
    run = None if steered is None else mixer(model, steered).start(None)
    sampler = Sampler(model.spec.card, temperature, 10, device)
    generation = Generation(stepper, text, sampler, settings, [run], watched=[1], graphed=graphed)
    while generation.position < FRAMES + model.spec.max_delay:
        generation.step()
    return generation.tokens(0, FRAMES), generation.watch[1].cpu()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("twin", [False, True])
@pytest.mark.parametrize("steered", [None, "add", "clamp"])
def test_a_graph_gives_the_tokens_and_residuals_of_the_plain_step(
    tiny: Model, temperature: float, twin: bool, steered: str | None
) -> None:
    plain, seen = tokens(tiny, graphed=False, temperature=temperature, twin=twin, steered=steered)
    graph, same = tokens(tiny, graphed=True, temperature=temperature, twin=twin, steered=steered)
    # Without a slider that moves, only the graph has computed the twin: as the same music.
    twins = 2 if len(graph) > len(plain) else 1
    assert torch.equal(plain.repeat(twins, 1, 1), graph)
    assert torch.allclose(seen, same[: len(seen)], atol=1e-4)


def test_moving_a_slider_changes_what_the_graph_adds(tiny: Model) -> None:
    stepper = Stepper(tiny.decoder)
    graph = FrameGraph(
        stepper, stepper.cache(1, 8), None, Sampler(tiny.spec.card, 0.0), clips=1, guidance=None, watched=[1]
    )
    column = torch.full((1, tiny.spec.n_q, 1), tiny.spec.card)
    graph.launch(column, 0, [[0] * tiny.spec.n_q])
    before = graph.watch[1].clone()
    push = torch.ones(1, tiny.spec.d_model)
    graph.steer({1: push})
    graph.launch(column, 0, [[0] * tiny.spec.n_q])
    assert torch.allclose(graph.watch[1], before + push, atol=1e-5)
    graph.steer({})
    graph.launch(column, 0, [[0] * tiny.spec.n_q])
    assert torch.equal(graph.watch[1], before)
    with pytest.raises(BadInputError, match="position 8"):
        graph.launch(column, 8, [[0] * tiny.spec.n_q])


def test_a_graph_on_a_cpu_is_refused_by_name(tiny: Model) -> None:
    stepper = Stepper(tiny.decoder)
    with pytest.raises(BadInputError, match="capture=None"):
        FrameGraph(
            stepper, stepper.cache(1, 8), None, Sampler(tiny.spec.card), clips=1, guidance=None, capture=True
        )


@pytest.mark.parametrize("graphed", [False, True])
def test_half_precision_that_overflows_goes_on_in_float32_and_says_so(tiny: Model, graphed: bool) -> None:
    decoder = copy.deepcopy(tiny.decoder)
    with torch.no_grad():
        weight = decoder.blocks[1].ff_out.weight
        weight.mul_(3e4 / weight.abs().max())  # float16 holds the weights, but not what they add up to
    exact, _ = tokens(tiny, graphed=graphed, stepper=Stepper(copy.deepcopy(decoder).half().float()))
    half = make_stepper(copy.deepcopy(decoder), "float16")
    found, _ = tokens(tiny, graphed=graphed, stepper=half)
    assert (half.precision, half.fell_back_from) == ("float32", "float16")
    assert torch.equal(found, exact)
    model = Model(tiny.spec, half.decoder, tiny.text, tiny.codec, "digest", (), half)
    assert any("float16" in note for note in model.notes)


def test_float32_that_is_not_finite_is_an_error_that_names_the_layer(tiny: Model) -> None:
    decoder = copy.deepcopy(tiny.decoder)
    with torch.no_grad():
        decoder.blocks[1].ff_out.weight.fill_(float("nan"))
    with pytest.raises(NotFiniteError, match="layer 1"):
        tokens(tiny, graphed=True, stepper=Stepper(decoder))


@needs_cuda
def test_on_a_gpu_nothing_inside_the_step_waits_and_sliders_recapture_nothing(tiny: Model) -> None:
    decoder = copy.deepcopy(tiny.decoder).cuda()
    decoder.restore_buffers()
    stepper = Stepper(decoder)
    graph = FrameGraph(
        stepper, stepper.cache(1, 8), None, Sampler(tiny.spec.card, 1.0, 10, "cuda"), clips=1, guidance=None
    )
    graph.warm_up()
    captured = dict(graph._graphs)
    column = torch.full((1, tiny.spec.n_q, 1), tiny.spec.card)
    push = torch.ones(1, tiny.spec.d_model, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        for position in range(4):
            graph.steer({1: push * position})
            graph.launch(column, position, [[0] * tiny.spec.n_q])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert graph.result()[1]
    assert graph._graphs == captured


@needs_cuda
def test_on_a_gpu_the_graph_gives_the_plain_steps_tokens(tiny: Model) -> None:
    decoder = copy.deepcopy(tiny.decoder).cuda()
    decoder.restore_buffers()
    plain, _ = tokens(tiny, graphed=False, temperature=0.0, stepper=Stepper(decoder))
    graph, _ = tokens(tiny, graphed=True, temperature=0.0, stepper=Stepper(decoder))
    assert torch.equal(plain, graph)
