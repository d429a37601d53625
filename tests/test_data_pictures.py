"""Image files of any format and shape become square RGB images by one stated rule."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from morse.data.pictures import FORMATS, as_stored, fitted, picture, shrunk
from morse.files import DamagedFile


def noise(height=12, width=12, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def saved(tmp_path, image, suffix=".png", **options):
    path = tmp_path / f"image{suffix}"
    image.save(path, **options)
    return path


def read(path):
    return np.asarray(picture(path, str(path)))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp"])
def test_colours_of_lossless_formats_are_exact(tmp_path, suffix):
    options = {"lossless": True} if suffix == ".webp" else {}
    np.testing.assert_array_equal(read(saved(tmp_path, Image.fromarray(noise()), suffix, **options)), noise())


def test_jpeg_is_near(tmp_path):
    smooth = np.broadcast_to(np.arange(16, dtype=np.uint8)[:, None, None] * 16, (16, 16, 3))
    found = read(saved(tmp_path, Image.fromarray(np.ascontiguousarray(smooth)), ".jpg", quality=95))
    assert np.abs(found.astype(int) - smooth).max() < 12


def test_grey_is_repeated_and_palettes_are_resolved(tmp_path):
    grey = noise(channels=1)[..., 0]
    np.testing.assert_array_equal(read(saved(tmp_path, Image.fromarray(grey))), np.repeat(grey[..., None], 3, 2))
    few = Image.fromarray(noise() // 128 * 128).quantize(8)
    np.testing.assert_array_equal(read(saved(tmp_path, few)), np.asarray(few.convert("RGB")))


def test_sixteen_bits_become_eight(tmp_path):
    deep = np.array([[0, 257, 257 * 128 + 128], [257 * 200 + 129, 65535, 1000]], np.uint16)
    found = read(saved(tmp_path, Image.fromarray(deep)))
    np.testing.assert_array_equal(found[..., 0], [[0, 1, 128], [201, 255, 4]])


def png_of_16_bits(values):
    """A PNG file of (H, W, C) uint16, which Pillow cannot write for colours."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def test_of_colours_of_sixteen_bits_the_upper_eight_count():
    deep = np.random.default_rng(0).integers(0, 65536, (5, 7, 3), np.uint16)
    np.testing.assert_array_equal(np.asarray(picture(png_of_16_bits(deep), "x")), deep >> 8)


def test_of_grey_of_sixteen_bits_with_alpha_the_upper_eight_count():
    deep = np.stack([np.arange(0, 65536, 9000, np.uint16)] * 2, -1)[None]
    deep[..., 1] = 65535
    np.testing.assert_array_equal(np.asarray(picture(png_of_16_bits(deep), "x"))[..., 0], deep[..., 0] >> 8)


def test_cmyk_is_converted(tmp_path):
    cmyk = Image.fromarray(noise()).convert("CMYK")
    np.testing.assert_array_equal(read(saved(tmp_path, cmyk, ".tiff")), np.asarray(cmyk.convert("RGB")))


def test_exif_turns_the_image(tmp_path):
    image = Image.fromarray(noise(4, 8))
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    found = read(saved(tmp_path, image, exif=exif))
    np.testing.assert_array_equal(found, np.rot90(noise(4, 8), -1))


def test_an_alpha_channel_counts_only_if_something_shows_through(tmp_path):
    opaque = np.concatenate([noise(), np.full((12, 12, 1), 255, np.uint8)], axis=2)
    np.testing.assert_array_equal(read(saved(tmp_path, Image.fromarray(opaque))), noise())
    opaque[3, 3, 3] = 254
    with pytest.raises(ValueError, match=r"image.png has transparent pixels; save it without an alpha channel"):
        read(saved(tmp_path, Image.fromarray(opaque)))


def test_a_transparent_grey_counts_as_alpha(tmp_path):
    grey = Image.fromarray(noise(channels=1)[..., 0])
    with pytest.raises(ValueError, match="has transparent pixels"):
        read(saved(tmp_path, grey, transparency=int(np.asarray(grey)[3, 3])))


def test_a_camera_s_file_with_a_preview_is_its_first_image(tmp_path):
    frames = [Image.fromarray(np.full((16, 16, 3), value, np.uint8)) for value in (200, 50)]
    path = saved(tmp_path, frames[0], ".mpo", save_all=True, append_images=frames[1:])
    assert np.abs(read(path).astype(int) - 200).max() <= 2


def test_formats_that_may_run_programs_are_not_read(tmp_path):
    path = saved(tmp_path, Image.fromarray(noise()), ".eps").rename(tmp_path / "image.jpg")
    with pytest.raises(DamagedFile, match="image.jpg is no whole image"):
        read(path)


def test_animations_and_damaged_files_are_refused_by_name(tmp_path):
    frames = [Image.fromarray(noise() // (i + 1)) for i in range(2)]
    with pytest.raises(ValueError, match="image.gif is an animation"):
        read(saved(tmp_path, frames[0], ".gif", save_all=True, append_images=frames[1:]))
    path = saved(tmp_path, Image.fromarray(noise(64, 64)))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DamagedFile, match="image.png is no whole image") as error:
        read(path)
    assert "\n" not in str(error.value)
    path.write_text("no image", encoding="utf-8")
    with pytest.raises(DamagedFile, match="image.png is no whole image"):
        read(path)


def test_a_file_of_no_known_format_is_one_line_without_addresses():
    with pytest.raises(DamagedFile, match=f"^a is no whole image .none of {', '.join(FORMATS)}.; take it out") as error:
        picture(io.BytesIO(b"no image"), "a")
    assert " at 0x" not in str(error.value)


@pytest.mark.parametrize("read", [picture, as_stored])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.filterwarnings("ignore")  # Pillow warns of damaged metadata
def test_whatever_is_damaged_is_one_line_that_names_the_file(kind, read):
    stream, rng = io.BytesIO(), np.random.default_rng(0)
    Image.fromarray(noise(24, 24)).quantize(16).convert("P" if kind == "GIF" else "RGB").save(stream, kind)
    whole = stream.getvalue()
    for _ in range(150):
        content = bytearray(whole)
        for place in rng.integers(0, min(len(whole), int(rng.choice([64, len(whole)]))), 2):
            content[place] = rng.integers(256)
        content = content[: rng.integers(len(whole)) if rng.random() < 0.3 else None]
        try:
            read(io.BytesIO(bytes(content)), "the file")
        except (DamagedFile, ValueError) as error:
            assert str(error).startswith("the file ") and "\n" not in str(error)


def test_an_image_as_stored_is_neither_turned_nor_converted(tmp_path):
    image = Image.fromarray(noise(4, 8, 4))
    exif = image.getexif()
    exif[0x0112] = 6
    found = as_stored(saved(tmp_path, image, exif=exif), "x")
    assert (found.mode, found.size) == ("RGBA", (8, 4))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(image))


def test_a_fitted_image_keeps_its_mode_and_may_be_enlarged():
    image = Image.fromarray(noise(4, 6)).convert("CMYK")
    expected = image.resize((12, 8), Image.Resampling.BICUBIC).crop((2, 0, 10, 8))
    found = fitted(image, 8)
    assert found.mode == "CMYK" and found.tobytes() == expected.tobytes()


def test_the_middle_is_cut_out_and_halved_by_means(tmp_path):
    """40 x 16 to 8: halved once by means of four to 20 x 8, then the middle 8 of 20 columns."""
    array = noise(16, 40)
    means = array.reshape(8, 2, 20, 2, 3).mean(axis=(1, 3))
    found = shrunk(Image.fromarray(array), 8)
    assert found.shape == (3, 8, 8) and found.dtype == np.uint8
    assert np.abs(found.transpose(1, 2, 0) - means[:, 6:14]).max() <= 1.01  # rounded twice


def test_an_image_of_the_size_stays_as_it_is():
    np.testing.assert_array_equal(shrunk(Image.fromarray(noise()), 12), noise().transpose(2, 0, 1))


def test_a_smaller_image_is_refused():
    with pytest.raises(ValueError, match="a.png is 12 x 10, smaller than 12 x 12; take it out"):
        shrunk(Image.fromarray(noise(10, 12)), 12, "a.png")
