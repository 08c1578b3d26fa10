"""The menu of a terminal on a screen of 80 x 24: `holdfast terminal … shell`.

In reading order: `layout` and `figures` (how anything is laid out), `words` (both languages), `screens` (pages from
facts: pure), `keyboard` (keys and lines), `till` (the terminal behind it), `desk` (show, ask, wait), `entry` (card,
amount, original), `business`, `batch` and `own` (what the entries of the menus do), `session` (start, menus, end).
"""
