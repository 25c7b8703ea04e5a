import numpy as np
import pytest
import torch

from dclib.augment import affine, mask, mild, move, noise
from dclib.runtime import seeded

VIEWS = {
    "affine": lambda x: affine(x, rotation=20, shift=1, scale=0.2, shape=(6, 6)),
    "noise": lambda x: noise(x, 0.3),
    "mask": lambda x: mask(x, 0.3),
}


def dot(row, column, h=6, w=6, dtype=torch.float64):
    """An image of one bright pixel, (1, 1, h, w)."""
    x = torch.zeros(1, 1, h, w, dtype=dtype)
    x[..., row, column] = 1
    return x


def rows(n=8, d=36, dtype=torch.float64):
    with seeded("rows"):
        return torch.rand(n, d, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 2), (-2, -1)])
def test_a_pixel_lands_as_many_pixels_right_and_down(right, down, dtype):
    moved = move(dot(2, 3, 6, 8, dtype), shift_x=right, shift_y=down)
    torch.testing.assert_close(moved, dot(2 + down, 3 + right, 6, 8, dtype), atol=1e-6, rtol=0)


def test_half_a_pixel_is_shared_and_what_leaves_is_lost():
    moved = move(dot(2, 3), shift_x=0.5)
    torch.testing.assert_close(moved, (dot(2, 3) + dot(2, 4)) / 2)
    torch.testing.assert_close(move(dot(2, 5), shift_x=0.5), dot(2, 5) / 2)
    assert move(dot(2, 5), shift_x=2).abs().max() < 1e-12


@pytest.mark.parametrize("quarters", [1, 2, 3, -1])
@pytest.mark.parametrize("size", [5, 6])
def test_rotation_by_quarters_turns_the_image_counter_clockwise(quarters, size):
    x = rows(4, 3 * size**2).view(4, 3, size, size)
    turned = move(x, rotation=90 * quarters)
    torch.testing.assert_close(turned, torch.rot90(x, quarters, (2, 3)))


def test_oblong_images_are_turned_in_pixels_not_sheared():
    torch.testing.assert_close(move(dot(2, 4, 5, 7), rotation=90), dot(1, 3, 5, 7))
    torch.testing.assert_close(move(dot(1, 3, 5, 7), rotation=90), dot(2, 2, 5, 7))


def test_twice_the_scale_is_twice_as_far_from_the_centre():
    x = dot(2, 4, 5, 9)  # the centre
    torch.testing.assert_close(move(x, scale=2)[0, 0, 2, 3:6], torch.tensor([0.5, 1, 0.5]).double())
    far = move(dot(2, 6, 5, 9), scale=2)
    assert far[0, 0, 2].argmax() == 8
    assert far.sum() == pytest.approx(2 * 1.5)  # the rest lies outside


def test_an_image_is_turned_before_it_is_shifted():
    torch.testing.assert_close(move(dot(0, 3, 7, 7), rotation=90, shift_x=2), dot(3, 2, 7, 7))


def test_each_image_moves_by_its_own_amount():
    x = torch.cat([dot(2, 2)] * 3)
    moved = move(x, shift_x=torch.tensor([0.0, 1.0, 2.0]))
    torch.testing.assert_close(moved, torch.cat([dot(2, 2), dot(2, 3), dot(2, 4)]))
    for i in range(3):  # alone as in the batch
        torch.testing.assert_close(move(x[i : i + 1], shift_x=float(i)), moved[i : i + 1])


@pytest.mark.parametrize("shape", [(1, 6, 6), (6, 6), (3, 6, 2)])
def test_rows_are_images_laid_out(shape):
    x = rows()
    images = x.view(8, *(1,) * (3 - len(shape)), *shape)
    with seeded(0):
        from_rows = affine(x, rotation=20, shift=1, scale=0.1, shape=shape)
    with seeded(0):
        from_images = affine(images, rotation=20, shift=1, scale=0.1)
    assert from_rows.shape == x.shape
    assert from_images.shape == images.shape
    torch.testing.assert_close(from_rows.view_as(images), from_images, rtol=0, atol=0)
    turned = x.T.contiguous().T  # rows that are not in a piece
    torch.testing.assert_close(move(turned, 30.0, shape=shape), move(x, 30.0, shape=shape))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", list(VIEWS))
def test_views_have_the_input_s_shape_and_dtype_and_leave_it_alone(name, dtype):
    x = rows(dtype=dtype)
    before = x.clone()
    view = VIEWS[name](x)
    assert (view.shape, view.dtype) == (x.shape, dtype)
    assert VIEWS[name](x.to("meta")).device.type == "meta"  # drawn where the batch is
    torch.testing.assert_close(x, before, rtol=0, atol=0)
    assert (view != x).any(1).all()


@pytest.mark.parametrize("name", list(VIEWS))
def test_every_row_is_changed_in_its_own_way(name):
    views = VIEWS[name](rows(1).expand(50, -1))
    assert len(torch.unique(views, dim=0)) == 50


@pytest.mark.parametrize("name", list(VIEWS))
def test_the_seed_fixes_the_views(name):
    x = rows()

    def view(seed):
        with seeded(seed):
            return VIEWS[name](x)

    torch.testing.assert_close(view(1), view(1), rtol=0, atol=0)
    assert (view(1) != view(2)).any()


@pytest.mark.parametrize("name", list(VIEWS))
def test_alone_or_in_a_batch_the_views_are_distributed_alike(name):
    """Mean and deviation of every pixel: 3,000 batches of one, one batch of 3,000."""
    x = rows(1)
    with seeded(0):
        alone = torch.cat([VIEWS[name](x) for _ in range(3000)])
        together = VIEWS[name](x.expand(3000, -1))
    torch.testing.assert_close(alone.mean(0), together.mean(0), atol=0.05, rtol=0)
    torch.testing.assert_close(alone.std(0), together.std(0), atol=0.03, rtol=0)


def test_strength_0_gives_the_input_back():
    x = rows()
    for view in (affine(x, shape=(6, 6)), noise(x, 0), mask(x, 0)):
        torch.testing.assert_close(view, x, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("strengths", "own"),
    [({"rotation": 30}, "rotation"), ({"shift": 2}, "shift"), ({"scale": 0.3}, "scale")],
)
def test_amounts_are_uniform_within_their_strength(monkeypatch, strengths, own):
    seen = {}

    def spy(x, rotation, shift_x, shift_y, scale, shape):
        seen.update(rotation=rotation, shift_x=shift_x, shift_y=shift_y, scale=scale - 1)
        return x

    monkeypatch.setattr("dclib.augment.move", spy)
    with seeded(0):
        affine(rows(1).expand(5000, -1), **strengths, shape=(6, 6))
    for name, amounts in seen.items():
        limit = strengths[own] if name.startswith(own) else 0
        assert amounts.abs().max() <= limit
        assert amounts.max() >= 0.99 * limit
        assert amounts.mean() == pytest.approx(0, abs=0.03 * limit)
        assert amounts.std().item() == pytest.approx(limit / 3**0.5, rel=0.03)
    first = dict(seen)
    with seeded(0):
        affine(rows(1).expand(5000, -1), rotation=7, shift=7, scale=0.7, shape=(6, 6))
    for name, amounts in first.items():
        if name.startswith(own):  # another strength stretches, and does not touch, the others
            ratio = {"rotation": 7, "shift": 7, "scale": 0.7}[own] / strengths[own]
            torch.testing.assert_close(amounts * ratio, seen[name])
    columns = np.corrcoef(torch.stack(list(seen.values())))
    assert np.abs(columns - np.eye(4)).max() < 0.05


def test_noise_has_mean_0_and_the_deviation_asked_for():
    with seeded(0):
        added = noise(torch.full((1000, 36), 0.5, dtype=torch.float64), 0.2) - 0.5
    assert added.mean().item() == pytest.approx(0, abs=0.005)
    assert added.std().item() == pytest.approx(0.2, rel=0.02)


def test_mask_drops_the_share_and_leaves_the_rest_as_it_is():
    x = rows(1000) + 1
    with seeded(0):
        view = mask(x, 0.3)
    dropped = view == 0
    assert dropped.double().mean().item() == pytest.approx(0.3, abs=0.01)
    assert dropped.double().mean(0).std() < 0.03  # no place more often than others
    torch.testing.assert_close(view[~dropped], x[~dropped], rtol=0, atol=0)


def test_mask_drops_a_pixel_in_all_channels():
    dropped = mask(torch.ones(5, 3, 8, 8), 0.5) == 0
    assert (dropped == dropped[:, :1]).all()
    assert 0 < dropped.sum() < dropped.numel()


@pytest.mark.parametrize("name", list(VIEWS))
def test_gradients_flow_through(name):
    def view(x):
        with seeded(0):
            return VIEWS[name](x)

    assert torch.autograd.gradcheck(view, rows(2).requires_grad_())


def test_gradients_reach_the_amounts():
    amounts = [torch.tensor(v).double().requires_grad_() for v in (20.0, 0.3, -0.4, 1.1)]
    assert torch.autograd.gradcheck(lambda *a: move(rows(2), *a, shape=(6, 6)), amounts)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: affine(x), r"x has shape \(8, 36\) and shape=None, expected \(n, c, h, w\)"),
        (lambda x: affine(x, shape=(5, 6)), r"shape=\(5, 6\), expected \(h, w\) or \(c, h, w\)"),
        (lambda x: affine(x, shape=(36,)), r"shape=\(36,\), expected \(h, w\)"),
        (lambda x: affine(x.view(8, 6, 6), shape=(6, 6)), r"x has shape \(8, 6, 6\)"),
        (lambda x: affine(x.view(8, 1, 6, 6), shape=(6, 6)), r"x has shape \(8, 1, 6, 6\) and"),
        (lambda x: affine(x.long(), shape=(6, 6)), "x is torch.int64, expected floating-point"),
        (lambda x: affine(x, rotation=-1, shape=(6, 6)), "rotation=-1, expected a finite number"),
        (lambda x: affine(x, shift=float("nan"), shape=(6, 6)), "shift=nan, expected"),
        (lambda x: affine(x, shift=float("inf"), shape=(6, 6)), "shift=inf, expected"),
        (lambda x: affine(x, scale=1, shape=(6, 6)), "scale=1, expected .* and below 1"),
        (lambda x: affine(x, shift=(1, 2), shape=(6, 6)), r"shift=\(1, 2\), expected"),
        (lambda x: move(x, torch.ones(3), shape=(6, 6)), r"rotation has shape \(3,\), .* of 8 im"),
        (lambda x: noise(x, -0.1), "deviation=-0.1, expected a finite number of at least 0"),
        (lambda x: noise(x, True), "deviation=True"),
        (lambda x: noise(x.long()), "x is torch.int64"),
        (lambda x: mask(x, 1.0), "share=1.0, expected a finite number of at least 0 and below 1"),
        (lambda x: mask(x, "some"), "share='some'"),
        (lambda x: mask(x > 0), "x is torch.bool"),
    ],
)
def test_bad_batches_and_strengths_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(rows())


def test_mild_turns_images_and_makes_rows_noisy():
    images = rows(4).view(4, 1, 6, 6)
    with seeded(0):
        changed = mild(images)
    with seeded(0):
        torch.testing.assert_close(changed, affine(images, rotation=10, shift=0.6, scale=0.1))
    x = 5 * rows(500)
    added = mild(x) - x
    assert added.std().item() == pytest.approx(0.1 * x.std().item(), rel=0.05)
