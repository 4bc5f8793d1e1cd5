"""Every rule, one file each; its id is the file's name with hyphens.

`converter.risk.rulebook` lists them all, `converter.risk.choice` those that a file needs.

Many files are judged without asking every rule, and without reading what is the same in the one
before. So a rule may look at everything in its `Case`, but these things hold for all of them, and
a new rule keeps them or narrows the shortcut that rests on them:

1. Where nothing is there of what `choice.NEEDS` says it looks at, it finds nothing
   (`tests/property/test_choice_of_rules.py`).
2. If it is one of `choice.OF_PICKLES`, it judges each pickle by itself, and of what stands around
   it looks only at what `known_pickles` compares.
3. It asks of no text and no number what it is, where that stands in plain dicts, lists and tuples
   and nowhere else: `gathering.pickle_layout` takes such values for free. Texts that begin like a
   pickle are the exception, which `PickleLayout.fits` knows; any other must stand there as well.
4. Of the name of a file it looks at how it ends, of the name of the root folder not at all, and of
   the numbers in an archive at no more than their first bytes: see `gathering.alike_archives`.

`tests/property/test_scans_in_a_row.py` compares reports of files that are read after others with
those of the same files alone, and would show the last three.
"""

from __future__ import annotations

__all__: list[str] = []
