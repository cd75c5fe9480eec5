"""The exercises: parts of the stack to write oneself, checked by scenarios that tell stories.

    catalog    what there is: tests/exercises/exNN_name/exercise.toml
    source     definitions by qualified name: blank them out, put others in
    workspace  the learner's copies, their backups, what is solved
    graft      the learner's module, with the reference in the places that are not asked about
    engine     a subprocess with a time limit that runs the scenarios
      mount      its first lines: the learner's code in the place of the package's
      child      its main part: scenario after scenario, reported as it goes
      lab        what a scenario holds in its hands: steps, events, expectations
      kernel     a scripted poller, clock and sockets for it
      actors     readers, clients, a web site on such a kernel
    whose      whose code ran, and where in it to look
    story      what went wrong, in at most 14 lines
    commands   start, check, hint, trace, diff and so on: for the command line
    score      what was reached, as JSON, of a learner or of a class
    watch      checks again whenever a copy is saved; keys for the commands
    run        the demo server, or a trace, on the learner's own pieces

This file stays empty of imports: the subprocess comes through here before it knows what to load.
"""
