import matplotlib
import numpy as np
import pytest

from dclib.data import FONTS, glyphs
from dclib.data.fonts import CELLS, HEIGHT, SIDE, _distance, _draw, _fill, _outline

STILL = {"rotation": 0, "shift": 0, "scale": 0, "stroke": 0, "noise": 0}
UPRIGHT = {"rotation": 0.0, "shift_x": 0.0, "shift_y": 0.0, "scale": 1.0, "stroke": 0.0}


def draw(character="4", size=24, font="DejaVuSans", **factors):
    """One image with the factors given, all else still."""
    values = {name: np.array([float(v)]) for name, v in (UPRIGHT | factors).items()}
    return _draw(_distance(font, character), size, **values)[0]


def center_of_mass(images):
    """Column and row of the ink's centre, an array (n, 2)."""
    ink = images.sum(axis=(1, 2))
    places = np.arange(images.shape[1])
    column, row = (images.sum(axis=axis) @ places / ink for axis in (1, 2))
    return np.column_stack([column, row])


def square(low, high):
    """The corners of a square, in the order of an outline."""
    return np.array([[low, low], [high, low], [high, high], [low, high], [low, low]])


def test_cells_are_filled_whose_centres_the_outline_winds_around():
    outer, hole = square(1.4, 6.6), square(2.0, 4.0)[::-1]  # the hole the other way round
    expected = np.zeros((8, 8), bool)
    expected[1:7, 1:7] = True
    np.testing.assert_array_equal(_fill([outer], 8), expected)
    np.testing.assert_array_equal(_fill([outer, outer], 8), expected)  # wound around twice
    expected[2:4, 2:4] = False
    np.testing.assert_array_equal(_fill([outer, hole], 8), expected)
    np.testing.assert_array_equal(_fill([square(-3.0, 11.0)], 8), np.ones((8, 8), bool))


def test_characters_stand_upright():
    """L: the stem on the left, the bar at the bottom."""
    image = draw("L")
    rows, columns = image.sum(axis=1), image.sum(axis=0)
    assert rows.argmax() > 16
    assert columns.argmax() < 10


@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize("character", ["3", "6", "8"])
def test_filled_area_is_the_outline_s(font, character):
    """Shoelace formula: holes turn the other way round and subtract.

    Round digits, as along a straight bar the errors of half a cell do not average out.
    """
    polygons = _outline(font, character)
    area = sum(
        np.sum(p[:-1, 0] * p[1:, 1] - p[1:, 0] * p[:-1, 1]) / 2 for p in polygons if len(p) > 2
    )
    zero = np.concatenate(_outline(font, "0"))[:, 1]
    cells = np.count_nonzero(_distance(font, character) > 0)
    assert cells == pytest.approx(abs(area) * (CELLS / np.ptp(zero)) ** 2, rel=0.03)


def test_zero_is_as_high_in_every_font_and_centred():
    for font in FONTS:
        rows, columns = np.nonzero(_distance(font, "0") > 0)
        assert np.ptp(rows) + 1 == pytest.approx(CELLS, abs=1)
        assert rows.mean() == pytest.approx((SIDE - 1) / 2, abs=1)
        assert columns.min() + columns.max() == pytest.approx(SIDE - 1, abs=1)


def test_distance_is_measured_from_the_outline():
    """The bar of an l without serifs: half the bar's width in the middle, then a cell a cell."""
    row = _distance("DejaVuSans", "l")[SIDE // 2]
    width = np.count_nonzero(row > 0)
    assert row.max() == pytest.approx(width / 2, abs=0.51)
    left = np.flatnonzero(row > 0)[0]
    np.testing.assert_allclose(row[left - 5 : left + 2], np.arange(-4.5, 2.5))


def test_upright_image_is_the_mask_averaged_over_pixels():
    size = 32
    fine = _distance("DejaVuSans", "4") > 0
    part = (np.arange(SIDE) + 0.5 - SIDE / 2) / CELLS * HEIGHT * size + size / 2  # in pixels
    pixel = np.floor(part).astype(int)
    inside = (pixel >= 0) & (pixel < size)
    average = np.zeros((size, size))
    np.add.at(average, np.ix_(pixel[inside], pixel[inside]), fine[np.ix_(inside, inside)] * 1.0)
    average *= (HEIGHT * size / CELLS) ** 2  # a cell's part of a pixel
    image = draw("4", size)
    assert image.sum() == pytest.approx(average.sum(), rel=0.02)
    assert np.abs(image - average).mean() < 0.02
    assert np.corrcoef(image.ravel(), average.ravel())[0, 1] > 0.98


def test_moving_by_whole_pixels_moves_the_pixels():
    image = draw("4")
    np.testing.assert_allclose(draw("4", shift_x=1), np.roll(image, 1, axis=1), atol=1e-6)
    np.testing.assert_allclose(draw("4", shift_y=-2), np.roll(image, -2, axis=0), atol=1e-6)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_rotation_by_quarters_turns_the_image_counter_clockwise(quarters):
    turned = draw("4", rotation=90 * quarters)
    np.testing.assert_allclose(turned, np.rot90(draw("4"), quarters), atol=1e-6)


def test_half_the_scale_is_half_the_size():
    large, small = draw("4", size=48), draw("4", size=48, scale=0.5)
    np.testing.assert_allclose(small[12:36, 12:36].sum(), small.sum())
    assert small.sum() / large.sum() == pytest.approx(0.25, rel=0.03)
    np.testing.assert_allclose(small[12:36, 12:36], draw("4", size=24), atol=1e-6)


@pytest.mark.parametrize("stroke", [-0.3, 0.3])
def test_stroke_moves_the_outline(stroke):
    """The ink that comes or goes is the outline's length times the way it moves."""
    size = 32
    points = _outline("DejaVuSans-Bold", "2")[0]
    zero = np.concatenate(_outline("DejaVuSans-Bold", "0"))[:, 1]
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum() * HEIGHT * size / np.ptp(zero)
    plain, moved = (draw("2", size, "DejaVuSans-Bold", stroke=s) for s in (0, stroke))
    assert moved.sum() - plain.sum() == pytest.approx(stroke * length, rel=0.1)


def test_nothing_moves_where_all_strengths_are_zero():
    data = glyphs(n=400, characters="AB", fonts=["DejaVuSans", "cmr10"], **STILL)
    for row in (FONTS.index("DejaVuSans"), FONTS.index("cmr10")):
        for label in (0, 1):
            same = data.x[(data.factors["font"] == row) & (data.y == label)]
            assert len(same) > 50
            upright = draw("AB"[label], 16, FONTS[row])
            np.testing.assert_array_equal(same, [np.round(255 * upright).ravel() / 255] * len(same))


def test_factors_are_zero_where_the_strengths_are():
    data = glyphs(n=50, **STILL)
    for name in ("rotation", "shift_x", "shift_y", "stroke", "noise"):
        assert not data.factors[name].any()
    np.testing.assert_array_equal(data.factors["scale"], 1)


def test_factors_fill_their_intervals():
    data = glyphs(n=2000)
    limits = {
        "rotation": (-15, 15),
        "shift_x": (-0.5, 0.5),
        "shift_y": (-0.5, 0.5),
        "scale": (0.85, 1.15),
        "stroke": (-0.25, 0.25),
        "noise": (0, 0.1),
    }
    for name, (low, high) in limits.items():
        values, width = data.factors[name], high - low
        assert low <= values.min() < low + 0.01 * width
        assert high - 0.01 * width < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.03 * width)
    together = np.array([data.factors[name] for name in ("font", *limits)] + [data.y])
    correlation = np.corrcoef(together) - np.eye(len(together))
    assert np.abs(correlation).max() < 0.1


@pytest.mark.parametrize("name", list(STILL))
def test_a_changed_strength_leaves_the_other_factors_alone(name):
    usual, changed = glyphs(n=100), glyphs(n=100, **{name: 0})
    np.testing.assert_array_equal(usual.y, changed.y)
    own = {"shift_x", "shift_y"} if name == "shift" else {name}
    for factor in usual.factors:
        same = np.array_equal(usual.factors[factor], changed.factors[factor])
        assert same == (factor not in own)
    assert usual.sha256 != changed.sha256


def test_factors_draw_the_image():
    """Each factor does what the hand-placed drawings of the tests above do."""
    data = glyphs(n=60, characters="47", noise=0)
    for i in range(60):
        factors = {name: data.factors[name][i] for name in UPRIGHT}
        image = draw("47"[data.y[i]], 16, FONTS[data.factors["font"][i]], **factors)
        np.testing.assert_array_equal(data.images[i], np.round(255 * image) / 255)


def test_shift_moves_the_centre_of_mass_by_as_much():
    still = glyphs(n=200, size=24, **STILL)
    moved = glyphs(n=200, size=24, **STILL | {"shift": 2.0})
    way = center_of_mass(moved.images) - center_of_mass(still.images)
    factors = np.column_stack([moved.factors["shift_x"], moved.factors["shift_y"]])
    np.testing.assert_allclose(way, factors, atol=0.1)


def test_noise_is_the_deviation_of_the_grey_pixels():
    """Pixels between paper and ink, as noise beyond [0, 1] is cut."""
    clean, noisy = glyphs(n=500, **STILL), glyphs(n=500, **STILL | {"noise": 0.1})
    grey = (clean.x > 0.4) & (clean.x < 0.6)
    deviation = (noisy.x - clean.x) / noisy.factors["noise"][:, None]
    strong = grey & (noisy.factors["noise"] > 0.02)[:, None]  # where grey levels are fine enough
    assert np.count_nonzero(strong) > 1000
    assert deviation[strong].std() == pytest.approx(1, abs=0.05)


def test_pixels_are_grey_levels():
    x = glyphs(n=200).x
    np.testing.assert_array_equal(x, np.round(255 * x) / 255)
    assert (x.min(), x.max()) == (0, 1)
    assert 0.1 < x.mean() < 0.3


def test_every_font_draws_every_digit_its_own_way():
    data = glyphs(n=4000, **STILL)
    kinds = np.unique(np.column_stack([data.factors["font"], data.y, data.x]), axis=0)
    assert len(np.unique(kinds[:, :2], axis=0)) == 10 * len(FONTS) == len(kinds)
    assert len(np.unique(kinds[:, 2:], axis=0)) == len(kinds)
    images = kinds[:, 2:].reshape(-1, 16, 16)
    assert images.sum(axis=(1, 2)).min() > 8  # all leave ink ...
    border = images.copy()
    border[:, 1:-1, 1:-1] = 0
    assert border.max() == 0  # ... and fit


def test_same_glyphs_in_any_matplotlib_style():
    plain = glyphs(n=60, characters="E$%").sha256
    _distance.cache_clear()
    _outline.cache_clear()
    style = {"text.usetex": True, "font.family": "monospace", "path.simplify_threshold": 1.0}
    with matplotlib.rc_context(style | {"text.antialiased": False, "path.snap": False}):
        assert glyphs(n=60, characters="E$%").sha256 == plain


def test_classes_are_the_characters():
    data = glyphs(n=52, characters="xyzK")
    assert data.classes == ("x", "y", "z", "K")
    assert data.n_classes == 4
    assert data.shape == (16, 16)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 9}, "n=9, expected a whole number of at least 10"),
        ({"size": 3}, "size=3, expected a whole number of at least 4"),
        ({"size": 16.0}, "size=16.0"),
        ({"rotation": -1}, "rotation=-1, expected a finite number of at least 0"),
        ({"shift": float("nan")}, "shift=nan"),
        ({"scale": 1.0}, "scale=1.0, expected a finite number of at least 0 and below 1"),
        ({"stroke": None}, "stroke=None"),
        ({"noise": float("inf")}, "noise=inf"),
        ({"characters": ""}, "characters='', expected a string of different characters"),
        ({"characters": "AA"}, "characters='AA', expected a string of different characters"),
        ({"characters": 123}, "characters=123"),
        ({"characters": "A "}, "DejaVuSans has none for ' '"),
        ({"characters": "AЖ"}, "cmr10 has none for 'Ж'"),
        (
            {"fonts": ["Arial"]},
            r"fonts=\['Arial'\], expected a sequence of names in \('DejaVuSans'",
        ),
        ({"fonts": "DejaVuSans"}, "fonts='DejaVuSans'"),
        ({"fonts": []}, r"fonts=\[\]"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        glyphs(**settings)


def test_a_font_that_has_the_character_draws_it():
    data = glyphs(n=10, characters="ЖД", fonts=["DejaVuSerif"])
    assert data.x.max() == 1
