"""Black box: raw bytes to a real server in a process of its own, and what must come back.

    test_*.py ── bytes ──> Client ══ TCP ══> application.py (HTTPServer of WIRE_PACKAGE)
              <─ verdict ─ Outcome <════════

Each rule names its RFC section and its level: **M** must hold, **S** should. Two variables of the
environment choose what is judged: `WIRE_PACKAGE` (minitornado, or tornado as a judge of these
tests), `WIRE_PYTHON` (the interpreter that has it).
"""
