"""Studies: Optuna asks for runs, each a job of its own, until it has seen enough of them.

Optuna takes a second to import and only studies need it: the files here that do are imported by
the command once a study is asked for.
"""
