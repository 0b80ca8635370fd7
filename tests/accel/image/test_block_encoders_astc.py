from accel.image.block_encoders import FORMATS, encoder
from tests.accel.image.textures import smooth


def test_the_program_s_own_texts_are_left_alone():
    # The library's parser of channel orders writes into the text that it is given.
    encoder(FORMATS["astc_6x6"], "fast", True)(smooth(6, 6))
    assert "RGBA".lower() == "rgba"
