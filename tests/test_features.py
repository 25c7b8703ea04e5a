"""Features from inside a network."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from torch import nn

from dclib.features import (
    activations,
    discretise,
    full_network_embedding,
    pca,
    spatial_mean,
    standardise,
    standardise_block,
)
from dclib.networks import Autoencoder, ConvAutoencoder, cnn, mlp
from dclib.runtime import seeded

F64 = {"dtype": torch.float64}


@pytest.fixture(autouse=True)
def same_numbers():
    with seeded("features"):
        yield


def rows(n=7, width=5):
    return torch.randn(n, width, **F64)


def same(found, expected):
    assert list(found) == list(expected)
    for name, h in expected.items():
        torch.testing.assert_close(found[name], h, msg=lambda text, name=name: f"{name}: {text}")


class Skip(nn.Module):
    """A residual block, batch normalisation and a head; the bend comes after the sum."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2, **F64)  # registered first, called last
        self.inner = nn.Linear(4, 4, **F64)
        self.norm = nn.BatchNorm1d(4, **F64)
        self.bend = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.spare = nn.Linear(4, 4, **F64)

    def forward(self, x):
        return self.head(self.drop(self.bend(self.norm(self.inner(x)) + x)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRU(3, 4, batch_first=True, **F64)
        self.code = nn.Linear(4, 2, **F64)

    def forward(self, x):
        return self.code(self.cell(x)[1][0])


# ---- activations: against the forward pass by hand


def test_the_layers_of_an_mlp_are_taken_after_the_bend():
    net, x = mlp([5, 4, 3, 2], **F64), rows()
    h1 = (x @ net[0].weight.T + net[0].bias).clamp(min=0)
    h2 = (h1 @ net[2].weight.T + net[2].bias).clamp(min=0)
    h3 = h2 @ net[4].weight.T + net[4].bias
    same(activations(net, x), {"1": h1, "3": h2, "4": h3})
    assert (h1 == 0).any()


def test_named_layers_come_in_the_order_of_the_forward_pass():
    net, x = mlp([5, 4, 3], **F64), rows()
    before = net[0](x).detach()
    same(activations(net, x, ["2", "0"]), {"0": before, "2": net(x).detach()})


def test_the_layers_of_a_cnn_keep_their_maps():
    net, x = cnn((1, 8, 8), [4, 6], outputs=3, **F64), torch.randn(5, 1, 8, 8, **F64)
    h1 = nn.functional.conv2d(x, net[1].weight, net[1].bias, stride=2, padding=1).relu()
    h2 = nn.functional.conv2d(h1, net[3].weight, net[3].bias, stride=2, padding=1).relu()
    code = h2.flatten(1) @ net[6].weight.T + net[6].bias
    same(activations(net, x), {"2": h1, "4": h2, "6": code})
    pooled = activations(net, x, keep=spatial_mean)
    same(pooled, {"2": h1.mean((2, 3)), "4": h2.mean((2, 3)), "6": code})


def test_the_layers_of_an_autoencoder_run_through_code_and_decoder():
    auto, x = Autoencoder([5, 4, 2], **F64), rows()
    h1 = auto.encoder[0](x).relu().detach()
    code = auto.encoder(x).detach()
    h3 = auto.decoder[0](code).relu().detach()
    expected = {"encoder.1": h1, "encoder.2": code, "decoder.1": h3, "decoder.2": auto(x).detach()}
    same(activations(auto, x), expected)
    same(activations(auto, x, ["encoder"]), {"encoder": code})


def test_the_layers_of_a_convolutional_autoencoder():
    auto, x = ConvAutoencoder((1, 4, 4), [3], code_size=2, **F64), torch.randn(5, 1, 4, 4, **F64)
    found = activations(auto, x)
    assert list(found) == ["encoder.2", "encoder.4", "decoder.2", "decoder.3"]
    torch.testing.assert_close(found["encoder.4"], auto.encoder(x).detach())
    torch.testing.assert_close(found["decoder.2"], auto.decoder[:3](auto.encoder(x)).detach())


def test_a_skip_connection_with_normalisation_and_a_bend_in_place():
    net, x = Skip(), rows(width=4)
    net.norm.running_mean += 1
    inner = x @ net.inner.weight.T + net.inner.bias
    normed = (inner - net.norm.running_mean) / (net.norm.running_var + net.norm.eps).sqrt()
    bent = (normed + x).relu().detach()
    head = (bent @ net.head.weight.T + net.head.bias).detach()
    same(activations(net, x), {"bend": bent, "head": head})
    found = activations(net, x, ["bend", "inner", "drop", "norm"])
    assert list(found) == ["inner", "norm", "bend", "drop"]
    torch.testing.assert_close(found["inner"], inner.detach())
    torch.testing.assert_close(found["drop"], bent)


def test_what_a_bend_in_place_overwrites_is_kept():
    net, x = nn.Sequential(nn.Linear(5, 4, **F64), nn.ReLU(inplace=True)), rows()
    found = activations(net, x, ["0", "1"])
    torch.testing.assert_close(found["0"], net[0](x).detach())
    assert (found["0"] < 0).any()


def test_a_recurrent_layer_says_what_to_keep_of_its_tuple():
    net, x = Recurrent(), torch.randn(6, 5, 3, **F64)
    with pytest.raises(ValueError, match=r"layer 'cell' returns a tuple, expected a tensor; say"):
        activations(net, x)
    states = net.cell(x)[0].detach()
    same(activations(net, x, ["cell"], keep=lambda output: output[0]), {"cell": states})
    last = activations(net, x, ["cell"], batch_size=4, keep=lambda output: output[0][:, -1])
    same(last, {"cell": states[:, -1]})
    same(activations(net, x, ["code"]), {"code": net(x).detach()})


def test_a_lone_layer_is_a_network():
    net, x = nn.Linear(5, 2, **F64), rows()
    same(activations(net, x), {"": net(x).detach()})


@pytest.mark.parametrize("size", [1, 3, 7, np.int64(4), 4096])
def test_batches_change_nothing(size):
    net, x = Skip(), rows(width=4)
    same(activations(net, x, batch_size=size), activations(net, x))


# ---- activations: nothing is left behind


def hooks(net):
    return sum(len(part._forward_hooks) for part in net.modules())


def test_the_network_is_left_as_it_was():
    net, x = Skip(), rows(width=4)
    net.norm.eval()  # a frozen part inside a network in training
    modes = [part.training for part in net.modules()]
    weights = {name: w.clone() for name, w in net.state_dict().items()}
    found = activations(net, x)
    assert [part.training for part in net.modules()] == modes
    assert all(torch.equal(w, weights[name]) for name, w in net.state_dict().items())
    assert not any(h.requires_grad for h in found.values())
    assert hooks(net) == 0
    (found["bend"].mean() * net.head.weight.sum()).backward()  # they may enter a loss


def test_also_after_an_exception():
    net = Skip()
    with pytest.raises(RuntimeError):
        activations(net, rows(width=3))
    with pytest.raises(RuntimeError):
        activations(net, rows(width=3), ["inner"])
    assert hooks(net) == 0
    assert all(part.training for part in net.modules())


def test_hooks_of_others_stay():
    net, seen = mlp([5, 2], **F64), []
    net[0].register_forward_hook(lambda *_: seen.append(1))
    activations(net, rows(), ["0"])
    assert hooks(net) == 1 and seen


# ---- activations: what comes in


def test_data_of_another_dtype_comes_back_in_its_own():
    net = mlp([5, 2], dtype=torch.float32)
    x = rows()
    found = activations(net, x)["0"]
    assert found.dtype == torch.float64
    assert torch.equal(found, net(x.float()).double())
    assert torch.equal(activations(net, x.numpy())["0"], found)


def test_whole_numbers_stay_whole_numbers():
    net = nn.Sequential(nn.Embedding(3, 2), nn.Flatten(), nn.Linear(4, 1))
    x = torch.tensor([[0, 2], [1, 1]])
    found = activations(net, x)
    assert found["0"].dtype == torch.float32 and found["0"].shape == (2, 2, 2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_network_may_be_on_another_device():
    net, x = mlp([5, 2], **F64).to("cuda"), rows()
    assert activations(net, x)["0"].device == x.device
    assert activations(net, x.to("cuda"))["0"].device.type == "cuda"


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.bend, self.second = nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 2)

    def forward(self, x):
        return self.second(self.bend(self.bend(self.first(x))))


@pytest.mark.parametrize("layers", [["bend"], ["first", "bend"]])
def test_a_layer_called_twice_is_refused(layers):
    with pytest.raises(ValueError, match=r"'bend' \(ReLU\) is called twice .* expected once"):
        activations(Twice(), rows(), layers)


def test_so_is_a_bend_that_two_layers_share():
    bend = nn.ReLU()
    net = nn.Sequential(nn.Linear(5, 4), bend, nn.Linear(4, 3), bend)
    with pytest.raises(ValueError, match=r"layer '1' .* is called twice"):
        activations(net, rows())
    assert list(activations(net, rows(), ["0", "2"])) == ["0", "2"]


@pytest.mark.parametrize(
    ("net", "layers", "message"),
    [
        (mlp([5, 4, 2]), ["1", "fc"], "layers holds 'fc', expected names among '0', '1', '2'$"),
        (mlp([5, 4, 2]), "1", "layers='1', expected a list of one or more names"),
        (mlp([5, 4, 2]), [], r"layers=\[\], expected a list"),
        (nn.Flatten(), None, "Flatten has no layer that is a module"),
        (
            nn.Sequential(nn.Linear(5, 2), nn.Flatten(0)),
            ["1"],
            r"layer '1' returns shape \(14,\) for 7 samples, expected \(7, ...\)",
        ),
    ],
)
def test_other_names_and_shapes_are_refused(net, layers, message):
    with pytest.raises(ValueError, match=message):
        activations(net, rows(), layers)


def test_a_layer_that_is_never_called_is_refused_by_name_and_left_out_by_default():
    net = Skip()
    assert "spare" not in activations(net, rows(width=4))
    with pytest.raises(ValueError, match="layer 'spare' is not called in a forward pass"):
        activations(net, rows(width=4), ["head", "spare"])


def test_a_name_given_twice_is_refused():
    with pytest.raises(ValueError, match=r"layers=\['1', '1'\], expected each name once"):
        activations(mlp([5, 4, 2]), rows(), ["1", "1"])


@pytest.mark.parametrize("size", [0, -1, 2.5, True])
def test_a_batch_has_a_size(size):
    with pytest.raises(ValueError, match=f"batch_size={size}, expected a whole number"):
        activations(mlp([5, 2]), rows(), batch_size=size)


@pytest.mark.parametrize("x", [torch.zeros(0, 5), torch.tensor(1.0)])
def test_there_must_be_samples(x):
    with pytest.raises(ValueError, match=r"x has shape .*, expected \(n, ...\) with n >= 1"):
        activations(mlp([5, 2]), x)


# ---- onto one scale


def test_spatial_mean_of_maps_series_and_rows():
    maps = torch.arange(24.0).reshape(2, 3, 2, 2)
    assert spatial_mean(maps).tolist() == [[1.5, 5.5, 9.5], [13.5, 17.5, 21.5]]
    assert torch.equal(spatial_mean(maps.flatten(2)), spatial_mean(maps))
    assert torch.equal(spatial_mean(maps[:, :, 0, 0]), maps[:, :, 0, 0])
    with pytest.raises(ValueError, match=r"h has shape \(3,\), expected"):
        spatial_mean(torch.ones(3))


@pytest.mark.parametrize("scale", [standardise, standardise_block, lambda h: pca(h, 1)])
def test_one_row_has_no_spread(scale):
    assert not scale(rows(1)).any()


def test_standardise_is_that_of_scikit_learn():
    h = rows(50) * torch.tensor([1, 1e-3, 1e3, 1, 1], **F64) + 10
    expected = StandardScaler().fit_transform(h)
    np.testing.assert_allclose(standardise(h), expected, atol=1e-12)
    new = rows(20)
    expected = StandardScaler().fit(h).transform(new)
    np.testing.assert_allclose(standardise(new, h), expected)


def test_standardised_by_hand():
    h = torch.tensor([[0.0, 2.0], [4.0, 2.0]])
    assert standardise(h).tolist() == [[-1, 0], [1, 0]]
    assert standardise(torch.tensor([[6.0, 9.0]]), h).tolist() == [[2, 0]]


def test_constant_to_rounding_is_constant():
    h = torch.full((8, 1), 0.1, **F64)
    h[3] += 2e-17  # one bit
    assert h.unique().numel() == 2
    assert torch.equal(standardise(h), torch.zeros(8, 1, **F64))
    assert torch.equal(standardise_block(h), torch.zeros(8, 1, **F64))
    small = 1e-30 * rows()  # small is not constant
    torch.testing.assert_close(standardise(small).var(0, correction=0), torch.ones(5, **F64))


@pytest.mark.parametrize("factor", [1e-4, 1, 1e4])
@pytest.mark.parametrize("width", [1, 5, 40])
def test_a_block_has_variance_1_and_keeps_its_proportions(width, factor):
    h = factor * rows(30, width) + 3 * factor
    block = standardise_block(h)
    torch.testing.assert_close(block.var(0, correction=0).sum().item(), 1.0)
    torch.testing.assert_close(block.mean(0), torch.zeros(width, **F64))
    ratio = torch.pdist(h) / torch.pdist(block)
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))
    again = standardise_block(h[:4], reference=h)
    torch.testing.assert_close(again, block[:4])


@pytest.mark.parametrize("whiten", [False, True])
def test_pca_is_that_of_scikit_learn_up_to_signs(whiten):
    h, new = rows(40) @ rows(5, 8), rows(6, 8)
    rival = PCA(3, whiten=whiten, svd_solver="full").fit(h)
    np.testing.assert_allclose(
        pca(h, 3, whiten).abs(), np.abs(rival.transform(h)), rtol=1e-9, atol=1e-12
    )
    ours, theirs = pca(new, 3, whiten, reference=h), torch.from_numpy(rival.transform(new))
    torch.testing.assert_close(ours * (ours[0] * theirs[0]).sign(), theirs)


def test_pca_has_fixed_signs():
    """Mirrored data have the same axes, so mirrored components."""
    h = rows(20)
    torch.testing.assert_close(pca(h, 5), -pca(-h, 5))
    line = torch.tensor([[1.0, -3.0]]) * torch.arange(3.0)[:, None]
    assert pca(line, 1).diff(dim=0).sign().flatten().tolist() == [-1, -1]  # along (-1, 3)


def test_whitened_components_are_uncorrelated_or_nothing():
    h = rows(30, 2) @ rows(2, 5)  # rank 2
    z = pca(h, 4, whiten=True)
    expected = torch.diag(torch.tensor([1, 1, 0, 0], **F64))
    torch.testing.assert_close(z.T.cov(), expected)
    assert torch.equal(pca(torch.ones(4, 3), 2, whiten=True), torch.zeros(4, 2))


@pytest.mark.parametrize("n_components", [0, 6, 1.0, True])
def test_pca_has_as_many_components_as_there_are(n_components):
    with pytest.raises(ValueError, match=f"n_components={n_components}, .* from 1 to 5"):
        pca(rows(7), n_components)


@pytest.mark.parametrize("scale", [standardise, standardise_block, lambda h, r=None: pca(h, 1, r)])
def test_features_are_a_matrix_of_real_numbers(scale):
    with pytest.raises(ValueError, match=r"h has shape \(2, 3, 4\), expected two dimensions"):
        scale(torch.zeros(2, 3, 4))
    with pytest.raises(ValueError, match=r"dtype torch\.int64, expected"):
        scale(torch.zeros(2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"shape \(0, 3\)"):
        scale(torch.zeros(0, 3))


@pytest.mark.parametrize("scale", [standardise, standardise_block])
def test_a_reference_has_the_same_features(scale):
    with pytest.raises(ValueError, match="h has 5, reference has 4"):
        scale(rows(), rows(width=4))


# ---- the full-network embedding


def test_discretise_by_hand():
    h = torch.tensor([[-9.0, -0.25, -0.2], [0.15, 0.16, 0.0]])
    assert discretise(h).tolist() == [[-1, 0, 0], [0, 1, 0]]
    assert discretise(h, -0.22, 0.1).tolist() == [[-1, -1, 0], [1, 1, 0]]
    assert discretise(h.double()).dtype == torch.float64
    with pytest.raises(ValueError, match=r"low=0.2, high=0.1, expected low < high"):
        discretise(h, 0.2, 0.1)
    with pytest.raises(ValueError, match="h holds NaN"):
        discretise(h / 0)


def test_full_network_embedding_by_hand():
    net, x = cnn((1, 8, 8), [4, 6], outputs=3, **F64), torch.randn(9, 1, 8, 8, **F64)
    blocks = [net[:3](x).mean((2, 3)), net[:5](x).mean((2, 3)), net(x)]
    h = torch.cat(blocks, 1).detach().numpy()
    h = (h - h.mean(0)) / h.std(0)
    expected = np.where(h > 0.15, 1.0, np.where(h < -0.25, -1.0, 0.0))
    found = full_network_embedding(net, x, batch_size=4)
    np.testing.assert_array_equal(found, expected)
    assert set(found.unique().tolist()) == {-1, 0, 1}
    last = full_network_embedding(net, x, layers=["6"], low=-1, high=1)
    np.testing.assert_array_equal(last, np.where(abs(h[:, 10:]) > 1, np.sign(h[:, 10:]), 0))


def test_new_samples_are_embedded_on_the_scale_of_old_ones():
    net, x = cnn((1, 8, 8), [4], outputs=3, **F64), torch.randn(9, 1, 8, 8, **F64)
    whole = full_network_embedding(net, x)
    assert torch.equal(full_network_embedding(net, x[:2], reference=x), whole[:2])
    assert not torch.equal(full_network_embedding(net, x[:2]), whole[:2])


def test_embedding_of_a_recurrent_network_keeps_what_it_is_told():
    net, x = Recurrent(), torch.randn(6, 5, 3, **F64)
    last = net.cell(x)[1][0].detach()
    found = full_network_embedding(net, x, ["cell"], keep=lambda output: output[1][0])
    assert torch.equal(found, discretise(standardise(last)))
