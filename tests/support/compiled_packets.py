"""A plugin of pytest, named first: the tests see the compiled form of the packets' way, made in the
folder that ZHENJIAN_TEST_COMPILED names.
"""

import os
from pathlib import Path

from media import compiled

if not compiled.use(Path(os.environ["ZHENJIAN_TEST_COMPILED"])):
    raise RuntimeError("The compiled form is not of these sources.")
