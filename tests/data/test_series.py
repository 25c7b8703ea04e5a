import numpy as np
import pytest
from sklearn.cluster import KMeans

from dclib.data import WAVEFORMS, waves
from dclib.data.series import _disturbances, _wave
from dclib.metrics import clustering_accuracy

STILL = {"phase": 0, "speed": 0, "amplitude": 0, "noise": 0, "correlation": 0}
OWN = {name: {name} for name in ("phase", "speed", "amplitude", "noise")}
OWN |= {"correlation": set(), "cycles": {"speed"}, "shortest": {"length"}, "n_groups": {"group"}}


@pytest.mark.parametrize("name", list(WAVEFORMS))
def test_every_waveform_has_mean_0_and_deviation_1(name):
    cycle = _wave(name, (np.arange(1000) + 0.5) / 1000)
    assert cycle.mean() == pytest.approx(0, abs=0.01)
    assert cycle.std() == pytest.approx(1, abs=0.01)


def test_waveforms_differ_in_shape_at_every_phase():
    """Two cycles, one moved against the other, never correlate fully."""
    place = (np.arange(64) + 0.5) / 64
    cycles = {name: _wave(name, place) for name in WAVEFORMS}
    for name, cycle in cycles.items():
        for other in set(WAVEFORMS) - {name}:
            best = max(np.mean(cycle * np.roll(cycles[other], i)) for i in range(64))
            assert best < (0.999 if {name, other} == {"sine", "triangle"} else 0.95)


def test_nothing_but_the_class_where_all_strengths_are_zero():
    data = waves(n=100, length=48, cycles=3, waveforms=tuple(WAVEFORMS), **STILL)
    t = np.arange(48) % 16 / 16
    for label, name in enumerate(WAVEFORMS):
        same = data.x[data.y == label]
        np.testing.assert_array_equal(same, [np.round(_wave(name, t), 6) + 0.0] * len(same))
    np.testing.assert_allclose(
        data.x[data.y == 0][0], np.sqrt(2) * np.sin(2 * np.pi * t), atol=1e-6
    )


def test_factors_draw_the_series():
    """Phase, speed and amplitude put into the formula of a sine give the series back."""
    data = waves(n=200, length=50, cycles=4, waveforms=["sine"], noise=0, correlation=0)
    phase, speed, amplitude = (data.factors[f][:, None] for f in ("phase", "speed", "amplitude"))
    angle = 2 * np.pi * (speed * np.arange(50) / 50 - phase)
    np.testing.assert_allclose(data.x, amplitude * np.sqrt(2) * np.sin(angle), atol=1e-6)


def test_a_later_phase_moves_the_wave_to_the_right():
    """A quarter of two cycles in 64 values: 8 values."""
    data = waves(n=50, waveforms=["burst"], **STILL | {"phase": 0.25})
    still = waves(n=50, waveforms=["burst"], **STILL).x[0]
    latest = data.factors["phase"].argmax()
    ways = [np.sum(data.x[latest] * np.roll(still, way)) for way in range(32)]
    assert np.argmax(ways) == round(32 * data.factors["phase"][latest]) > 5


def test_factors_fill_their_intervals_and_are_independent():
    data = waves(n=3000, shortest=0.5)
    limits = {
        "phase": (-0.5, 0.5),
        "speed": (1.6, 2.4),
        "amplitude": (0.7, 1.3),
        "noise": (0, 0.3),
        "length": (32, 64),
    }
    for name, (low, high) in limits.items():
        values, width = data.factors[name], high - low
        assert low <= values.min() < low + 0.01 * width
        assert high - 0.01 * width < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.03 * width)
    assert np.bincount(data.factors["group"]).tolist() == [300] * 10
    together = np.array([data.factors[name] for name in ("group", *limits)] + [data.y])
    assert np.abs(np.corrcoef(together) - np.eye(len(together))).max() < 0.08


@pytest.mark.parametrize(("name", "own"), OWN.items())
def test_a_changed_strength_leaves_the_other_factors_alone(name, own):
    value = {"shortest": 0.5, "n_groups": 7}.get(name, 0)
    usual, changed = waves(n=100), waves(n=100, **{name: value})
    np.testing.assert_array_equal(usual.y, changed.y)
    for factor in usual.factors:
        same = np.array_equal(usual.factors[factor], changed.factors[factor])
        assert same == (factor not in own)
    assert usual.sha256 != changed.sha256


def test_noise_is_the_deviation_from_the_clean_series():
    clean, noisy = waves(noise=0), waves(noise=0.5)
    deviation = (noisy.x - clean.x) / noisy.factors["noise"][:, None]
    assert deviation.std() == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(deviation[:, :-1].ravel(), deviation[:, 1:].ravel())[0, 1]) < 0.02


def test_one_recording_has_one_disturbance_whatever_the_class():
    alone, together = waves(correlation=0), waves(correlation=0.5)
    disturbance, group = together.x - alone.x, together.factors["group"]
    np.testing.assert_allclose((disturbance**2).mean(axis=1), 1, atol=1e-4)  # 0.5 : 0.5
    for j in range(10):
        np.testing.assert_allclose(disturbance[group == j].std(axis=0), 0, atol=1e-5)
    assert len(np.unique(disturbance[:, 0].round(4))) == 10
    weak = waves(correlation=0.2).x - alone.x
    np.testing.assert_allclose(weak, disturbance / 2, atol=1e-5)  # 0.2 : 0.8 is a quarter of 1 : 1


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_series_of_one_recording_correlate_as_asked(correlation):
    """Mean product over mean square, without noise, over pairs of a recording."""
    data = waves(n=1000, n_groups=40, amplitude=0, noise=0, cycles=5, correlation=correlation)
    same = data.factors["group"][:, None] == data.factors["group"]
    np.fill_diagonal(same, False)
    product = data.x @ data.x.T / data.x.shape[1]
    assert product[same].mean() / (data.x**2).mean() == pytest.approx(correlation, abs=0.05)
    different = data.factors["group"][:, None] != data.factors["group"]
    assert product[different].mean() / (data.x**2).mean() == pytest.approx(0, abs=0.05)


def test_disturbances_are_slower_than_the_waves():
    curves = _disturbances(200, np.arange(64) / 64, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(curves, axis=1)) ** 2
    assert power[:, :2].sum() > 0.9 * power.sum()


def test_series_end_where_their_length_says():
    data = waves(n=300, length=40, shortest=0.25)
    lengths, real = data.factors["length"], data.x != 0
    assert (lengths.min(), lengths.max()) == (10, 40)
    assert lengths.dtype == np.int64
    assert len(np.unique(lengths)) == 31
    past = np.arange(40) >= lengths[:, None]
    assert not real[past].any()
    assert real[~past].mean() > 0.99
    whole = waves(n=300, length=40)
    np.testing.assert_array_equal(whole.factors["length"], 40)
    np.testing.assert_array_equal(data.x[~past], whole.x[~past])
    assert waves(n=300, shortest=0).factors["length"].min() == 1


@pytest.mark.parametrize("seed", range(5))
def test_k_means_misses_the_shapes_and_a_code_without_phase_finds_them(seed):
    """Sorted values and sorted steps know nothing of when."""
    data = waves(random_state=seed)
    scaled = data.x - data.x.mean(axis=1, keepdims=True)
    scaled /= data.x.std(axis=1, keepdims=True)
    code = np.hstack([np.sort(scaled, axis=1), np.sort(np.diff(scaled, axis=1), axis=1)])
    raw, shape = (
        clustering_accuracy(data.y, KMeans(5, n_init=3, random_state=0).fit_predict(z))
        for z in (data.x, code)
    )
    assert raw < 0.5
    assert shape > 0.9


def test_k_means_finds_the_recordings_where_they_correlate():
    data = waves(correlation=0.8)
    labels = KMeans(10, n_init=3, random_state=0).fit_predict(data.x)
    assert clustering_accuracy(data.factors["group"], labels) > 0.7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 4}, "n=4, expected a whole number of at least 5"),
        ({"length": 1}, "length=1, expected a whole number of at least 2"),
        ({"n_groups": 0}, "n_groups=0, expected a whole number of at least 1"),
        ({"cycles": -1}, "cycles=-1, expected a finite number of at least 0"),
        ({"phase": None}, "phase=None"),
        ({"speed": 1}, "speed=1, expected a finite number of at least 0 and below 1"),
        ({"amplitude": 1.0}, "amplitude=1.0, expected a finite number of at least 0 and below 1"),
        ({"noise": float("nan")}, "noise=nan"),
        ({"correlation": 1}, "correlation=1, expected a finite number of at least 0 and below 1"),
        ({"shortest": 1.5}, "shortest=1.5, expected a share of the length, from 0 to 1"),
        ({"shortest": "all"}, "shortest='all'"),
        ({"waveforms": ["sine", "cosine"]}, r"waveforms=\['sine', 'cosine'\], expected different"),
        ({"waveforms": ["sine", "sine"]}, "expected different names of"),
        ({"waveforms": "sine"}, "waveforms='sine', expected"),
        ({"waveforms": ()}, r"waveforms=\(\), expected"),
        ({"waveforms": [["sine"]]}, r"waveforms=\[\['sine'\]\], expected"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        waves(**settings)
