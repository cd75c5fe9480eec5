"""What the notebooks and exercises call: output that reads everywhere, questions, the build.

    notebooks/src/NN_name.py   percent.py ──> cells
                               execute.py ──> cells with outputs
    notebooks/NN_name.ipynb <─ normalise.py, build.py

    notebooks/NN_name.ipynb ──> book/: pages that need no server

Inside a notebook's cells: `show` and `picture` (show.py), `predict` and `compare` (predict.py),
`quiz` (quiz.py), `explain` (explain.py). The questions are in the terminal too: predictions.py,
quizzes.py, progress.py. Outside of them: `python -m minitornado.classroom.build`, and
`python -m minitornado.classroom.browser` for a real JupyterLab.

A notebook costs its content, and a line in tests/test_notebook_form.py:

    notebooks/src/NN_name.py    its prose and its cells; those tagged "check" test the prose
    nbNN/questions.py           ask(...), a prediction       exit_quiz.py   ask_order(...), too
    nbNN/pictures.py            drawings, of svg.py's shapes, each with its twin in words
    nbNN/margins.py             own(...): what is said of each line that it explains
    nbNN/rare.py                what it takes for the lines that seldom run (ran.py)
    nbNN/real.py                the same in the real Tornado (real.py)
"""
