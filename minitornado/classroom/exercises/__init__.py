"""The exercises: parts of the stack to write oneself, checked by scenarios that tell stories.

    catalog    what there is: tests/exercises/exNN_name/exercise.toml
    source     definitions by qualified name: blank them out, put others in
    workspace  the learner's copies, their backups, what is solved
    graft      the learner's module, with the reference in the places that are not asked about
    engine     a subprocess with a time limit that runs the scenarios
      mount      its first lines: the learner's code in the place of the package's
      child      its main part: scenario after scenario, reported as it goes
      lab        what a scenario holds in its hands: steps, events, expectations
      kernel     a scripted poller, clock and socket for it
    story      what went wrong, in at most 14 lines
    commands   start, check, hint, reset, solution, listing: for pytest and the command line

This file stays empty of imports: the subprocess comes through here before it knows what to load.
"""
