"""What a run came to, as a page for a person: one HTML file that needs nothing else, and its figures as PNG.

`run_report.make` and `comparison.make` look at runs and give a `page.Document`, which `page.write` writes.
"""
