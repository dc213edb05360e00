"""What a model said, as candidates: reply text in, clean and distinct lines out. DESIGN.md section 4.

    reply ── envelope ──▶ text ─┬─ objects, records   JSON, whole, fenced, in prose, cut off
                                ├─ tables             markdown, tabs, CSV
                                ├─ listing            numbered, bulleted, nested, one a line
                                └─ commas             one line that is a list as a whole
                      descriptions ──▶ names ── chatter ──▶ items

Everything here is linear in the length of the reply, pure, and raises nothing.
"""

from igentai_producer.parse.labels import parse_labels
from igentai_producer.parse.reply import Parsed, parse
from igentai_producer.parse.verdicts import parse_verdicts

__all__ = ["Parsed", "parse", "parse_labels", "parse_verdicts"]
