"""What is known about a piece of work: documents, decisions, stories, tasks and councils, within what a role may see.

`passages`, `ranking`, `assembling`, `documents` and `scope` are pure; `recall` and `work` read the tenant's rows.
"""
