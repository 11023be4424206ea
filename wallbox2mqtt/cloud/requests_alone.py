"""Imports requests without charset_normalizer, which guesses the encoding of text and takes 3 MiB: we read bytes.

requests works without a guesser since 2.32, and warns that it has none.
"""

import sys
import warnings

sys.modules.setdefault("charset_normalizer", None)  # type: ignore[arg-type] # None: it counts as not installed
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Unable to find acceptable character detection dependency")
    import requests
    from requests.adapters import HTTPAdapter

__all__ = ["HTTPAdapter", "requests"]
