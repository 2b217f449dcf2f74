import numpy as np
import pytest

from tests.topi.evaluator import check
from tilewright import topi

rng = np.random.default_rng(11)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("size", [1, 6, 8])
def test_dft(inverse, size):
    re, im = (rng.standard_normal((2, size)).astype("float32") for _ in range(2))

    def reference(a, b):
        made = (np.fft.ifft if inverse else np.fft.fft)(a + 1j * b)
        return [made.real.astype("float32"), made.imag.astype("float32")]

    check(lambda a, b: topi.dft(a, b, inverse), reference, re, im, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("onesided", [True, False])
@pytest.mark.parametrize("width", [8, 6])
def test_stft(onesided, width):
    x, w = rng.standard_normal((2, 21)).astype("float32"), rng.random(width).astype("float32")
    left = (8 - width) // 2
    padded = np.zeros(8)
    padded[left : left + width] = w
    frames = np.stack([x[:, k : k + 8] * padded for k in range(0, 14, 3)], 1)
    made = (np.fft.rfft if onesided else np.fft.fft)(frames).transpose(0, 2, 1)
    expected = np.stack([made.real, made.imag], -1).astype("float32")
    check(lambda a, b: topi.stft(a, 8, 3, width, b, False, onesided), lambda *_: expected, x, w,
          rtol=1e-4, atol=1e-4, shapes=("static",))  # fmt: skip
    check(lambda a, b: topi.stft(a, 8, 3, width, b, True, onesided),
          lambda *_: expected / np.sqrt(np.float32(8)), x, w, rtol=1e-4, atol=1e-4)  # fmt: skip
