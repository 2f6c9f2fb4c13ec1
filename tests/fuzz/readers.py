"""Every reader of files that come from outside, in a table. A new one is one entry here: see `campaign.Reader`."""

from __future__ import annotations

from bundle_readers import BUNDLES
from campaign import Reader
from record_readers import RECORDS
from speech_readers import SPEECH
from text_readers import TEXTS

READERS: dict[str, Reader] = {**TEXTS, **SPEECH, **RECORDS, **BUNDLES}
