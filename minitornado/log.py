"""The three log channels of the stack.

    tornado.access        one line a request; written by applications
    tornado.application   what the application's own code did wrong
    tornado.general       everything else: peers that misbehave, sockets that fail

The channels keep Tornado's names, since people filter on them.  Nothing here sets up a
handler: Python prints warnings and errors by itself, and the rest is the program's choice.

Tornado 4.4: tornado/log.py, without LogFormatter and the command-line options.
"""

import logging

access_log = logging.getLogger("tornado.access")
app_log = logging.getLogger("tornado.application")
gen_log = logging.getLogger("tornado.general")
